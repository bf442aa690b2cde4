"""Making layers of an NNX model analog, by the paths of their kernels."""

from typing import Any, TypeVar

from flax import nnx

from analogjax.nn._analog import Rules, check_all_used, check_rules, refuse_kind, rule_of
from analogjax.nn._nnx_layers import KINDS, make_analog
from analogjax.nn._refuse import no_model

M = TypeVar("M", bound=nnx.Module)


def convert(model: M, rules: Rules, *, rngs: nnx.Rngs | None = None) -> M:
    """A copy of a model with some of its layers on arrays.

    The layers ``nnx.Linear``, ``nnx.LinearGeneral`` and ``nnx.Conv`` whose kernel's path matches a
    pattern become those of this module, with the parameters they have. Kernels of
    ``nnx.LinearGeneral``, thus of attention, become matrices.

    Args:
      model: a model; it stays as it is and shares nothing with the copy.
      rules: pairs of a regular expression, searched in the paths of kernels such as
        ``encoder/linear/kernel``, and an :class:`~analogjax.nn.Analog`; the first match counts.
      rngs: where noise comes from, the stream "analog"; None if there is none.

    Returns:
      The copy.

    Raises:
      TypeError: if the model is no NNX module, or ``rules`` are no such pairs.
      ValueError: if a pattern is no regular expression, gets no kernel, or one whose layer cannot
        be analog, or if noise has no ``rngs``.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import Analog
      >>> from analogjax.nn import nnx as ann
      >>> from analogjax.periphery import AnalogIO
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(nnx.Linear(2, 4, rngs=rngs), nnx.relu, nnx.Linear(4, 3, rngs=rngs))
      >>> model = ann.convert(model, [("layers/2/kernel", Analog(io=AnalogIO()))], rngs=rngs)
      >>> type(model.layers[0]) is nnx.Linear, type(model.layers[2]) is ann.Linear
      (True, True)
    """
    check_rules(rules)
    if not isinstance(model, nnx.Module):
        wanted = "an NNX module, such as Net(rngs=nnx.Rngs(0))"
        raise no_model(model, wanted, "analogjax.nn.linen.convert", "linen")
    model = nnx.clone(model)
    layers: dict[str, Any] = {
        "/".join((*map(str, path), "kernel")): module
        for path, module in nnx.iter_modules(model)
        if isinstance(getattr(module, "kernel", None), nnx.Variable)
    }
    check_all_used(rules, layers)
    _check_shared(rules, layers)
    for path, layer in layers.items():
        rule = rule_of(rules, path)
        if rule is None:
            continue
        if type(layer) not in KINDS:
            refuse_kind(path, rule, layer, "nnx.Linear, nnx.LinearGeneral and nnx.Conv")
        make_analog(layer, rule[1], rngs)
    return model


def _check_shared(rules: Rules, layers: dict) -> None:
    """Raises a ValueError if arrays would be made of a kernel that two layers share."""
    first: dict[int, str] = {}
    for path, layer in layers.items():
        rule, other = rule_of(rules, path), first.setdefault(id(layer.kernel), path)
        if rule is not None and rule[1].mapping is not None and other != path:
            raise ValueError(
                f"'{other}' and '{path}' are one parameter, which arrays of two layers cannot be: "
                f"leave the mapping out, or share the layer itself."
            )
