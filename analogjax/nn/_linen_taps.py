"""The collection "taps" of a linen model: zeros to differentiate by, one pair for each call."""

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import core
from flax import linen as nn

from analogjax.nn._analog import Analog
from analogjax.nn._linen_marks import mark, marked_sizes
from analogjax.nn._product import empty_tap, product
from analogjax.nn._tap_error import tap_error
from analogjax.pulses import Factors

_COLLECTION = "taps"
_COUNTER = "tap calls"
_REMEDY = (
    "The steps of a transformation would share one tap: give nn.scan, nn.RNN and nn.vmap "
    "variable_axes={'taps': 0}, call a layer of a scan nowhere else in the pass, and the same "
    "layers in all branches of nn.cond and nn.switch."
)


def taps(model: nn.Module, variables, *args, rngs=None, method=None, **kwargs):
    """Zeros by which to differentiate a loss for the factors of every analog layer.

    Only shapes are computed, while tracing; nothing runs. Pass the result to ``apply`` as the
    collection "taps" and differentiate by it: the gradient holds a pair (x, d) at each kernel's
    path, or a tuple of pairs for a layer called several times, one for each call in the order of
    the pass, as the rules want for ``factors=``.

    Under ``nn.scan``, ``nn.RNN`` and ``nn.vmap`` each step has a tap of its own; ask for it with
    ``variable_axes={"taps": 0}`` beside the parameters that all steps share. ``nn.remat`` and
    ``nn.jit`` need nothing. The taps serve one ``apply``, as two would get the sums of their
    factors: let one ``method`` make all the calls of a loss. Factors say nothing of what the loss
    makes of a kernel beside these products (a penalty, a factor, a transposed use);
    :func:`analogjax.rules.check_factors` tells such a loss.

    Args:
      model: a linen model.
      variables: its variables, ``{"params": ...}`` and whatever else it has.
      *args: the model's inputs, of the shapes of the mini-batch.
      rngs: as for ``apply``.
      method: as for ``apply``.
      **kwargs: further arguments of the model.

    Returns:
      The collection.

    Raises:
      ValueError: if a layer runs under such a transformation without ``variable_axes={"taps": 0}``,
        if a layer of a scan is called in another scan or outside of it too, or if a layer runs
        under JAX's own ``vmap`` or ``scan`` within a module.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> model, x = ann.Dense(3), jnp.ones((4, 2))
      >>> variables = model.init(jax.random.key(0), x)
      >>> def loss(taps):
      ...     return model.apply({**variables, "taps": taps}, x).sum()
      >>> factors = jax.grad(loss)(ann.taps(model, variables, x))
      >>> factors["kernel"].x.shape, factors["kernel"].d.shape
      ((4, 2), (4, 3))
    """
    given = {name: value for name, value in variables.items() if name != _COLLECTION}
    record = _Record()

    def run(flags, variables):
        def call(scope, *args, **kwargs):
            return bound(model, scope, method)(*args, **kwargs)

        mutable = nn.DenyList("params")  # Batch statistics, say, may change in the pass.
        apply = core.apply(call, mutable, flags)  # The scopes of all layers inherit the flags.
        return apply(variables, *args, rngs=rngs, **kwargs)[1]

    try:
        making = functools.partial(run, {_COLLECTION: record})
        jaxpr, made = jax.make_jaxpr(making, return_shape=True)(given)
    except Exception as error:
        jax.eval_shape(functools.partial(run, {}), given)  # The model's own errors, as they are.
        raise tap_error(_REMEDY, error) from error
    shapes = made.get(_COLLECTION, {})
    record.check(shapes, dict(marked_sizes(jaxpr.jaxpr)))
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def tapped(
    layer: nn.Module,
    analog: Analog,
    x: jax.Array,
    w: jax.Array,
    groups: int = 1,
    scale: jax.Array | None = None,
) -> jax.Array:
    """The product of a layer as it is read, through its tap of this call if there is one."""
    assert layer.scope is not None
    record = layer.scope.flags.get(_COLLECTION)
    if record is not None:  # Shapes are all that counts.
        y = product(x, w, None, groups)
        record.add(layer, empty_tap(x, y))
        return y
    key = layer.make_rng("analog") if analog.is_random else None
    if not layer.has_variable(_COLLECTION, "kernel"):
        return product(x, w, None, groups, analog, key, scale)
    pairs = _pairs(layer.get_variable(_COLLECTION, "kernel"))
    tap = pairs[_count_call(layer.scope) % len(pairs)]
    return product(x, w, tap, groups, analog, key, scale)


class _Record:
    """The calls of the pass that makes the taps: layer, number of the call, place of its tap."""

    def __init__(self):
        self.calls: list[tuple[tuple[str, ...], int, int]] = []

    def add(self, layer: nn.Module, tap: Factors) -> None:
        """Makes the tap of one call."""
        assert layer.scope is not None
        before = _pairs(layer.get_variable(_COLLECTION, "kernel", ()))
        tap = tap._replace(x=mark(tap.x, len(self.calls)))
        self.calls.append((layer.path, _count_call(layer.scope), len(before)))
        layer.put_variable(_COLLECTION, "kernel", (*before, tap) if before else tap)

    def check(self, made, sizes: dict[int, int]) -> None:
        """Raises a ValueError if a call of the later pass would take another tap, or share one.

        Args:
          made: the taps.
          sizes: how large the inputs of each call are, those of all its steps together.
        """
        for call, (path, number, place) in enumerate(self.calls):
            pairs = _pairs(functools.reduce(operator.getitem, path, made)["kernel"])
            if number % len(pairs) != place:
                raise ValueError(f"Layer '{'/'.join(path)}': {_REMEDY}")
            if sizes.get(call, pairs[place].x.size) != pairs[place].x.size:
                raise ValueError(
                    f"Layer '{'/'.join(path)}' is called in jax.vmap, jax.lax.scan or another loop "
                    f"of JAX's own within a module, whose steps would share one tap: take flax's, "
                    f"nn.vmap or nn.scan, with variable_axes={{'taps': 0}}."
                )


def _pairs(tap: Factors | tuple[Factors, ...]) -> tuple[Factors, ...]:
    return (tap,) if isinstance(tap, Factors) else tap


def _count_call(scope: core.Scope) -> int:
    """How often the layer of a scope was called before in this pass.

    The count lies with flax's own counters of random draws, which outlive the many scopes that
    remat, jit and scan make for one layer. A scan traces its body several times: the numbers go
    on, and are taken modulo the number of taps.
    """
    number = scope.rng_counters.get(_COUNTER, 0)
    scope.rng_counters[_COUNTER] = number + 1
    return number


def bound(model: nn.Module, scope: core.Scope, method) -> Callable:
    """The method of a model in a scope that ``apply`` would call."""
    model = model.clone(parent=scope, _deep_clone=True)  # As ``nn.apply`` does.
    if method is None or isinstance(method, str):
        return getattr(model, method or "__call__")
    return functools.partial(getattr(method, "__func__", method), model)
