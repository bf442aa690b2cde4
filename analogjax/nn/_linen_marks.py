"""Marks on the taps of the pass that makes them, which show how often each would be used."""

from collections.abc import Iterator

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Primitive
from jax.interpreters import ad, batching

_mark = Primitive("mark_tap")


def _batched(arguments, axes, *, number):
    return mark(arguments[0], number), axes[0]


def _differentiated(primals, tangents, *, number):
    return mark(primals[0], number), tangents[0]


_mark.def_abstract_eval(lambda x, *, number: x)
batching.primitive_batchers[_mark] = _batched
ad.primitive_jvps[_mark] = _differentiated


def mark(x: jax.Array, number: int) -> jax.Array:
    """``x`` as it is, with a number to be found again by :func:`marked_sizes`."""
    return _mark.bind(x, number=number)


def marked_sizes(jaxpr: Jaxpr, times: int = 1) -> Iterator[tuple[int, int]]:
    """The number of each mark, and the size of what was marked in all steps and copies together."""
    for equation in jaxpr.eqns:
        if equation.primitive is _mark:
            marked = equation.outvars[0].aval
            yield equation.params["number"], times * marked.size  # type: ignore[attr-defined]
        steps = equation.params["length"] if equation.primitive is jax.lax.scan_p else 1
        for inner in jax.tree.leaves(list(equation.params.values())):
            inner = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
            if isinstance(inner, Jaxpr):
                yield from marked_sizes(inner, times * steps)
