"""Making layers of a linen model analog, by the paths of their kernels."""

import dataclasses
import types
from typing import Any

import jax
from flax import linen as nn
from flax.core import FrozenDict

from analogjax.nn._analog import Analog, Rules, check_all_used, check_rules, refuse_kind, rule_of
from analogjax.nn._linen_array import Array
from analogjax.nn._linen_intercept import KINDS, analog_products
from analogjax.nn._refuse import no_model
from analogjax.rules import layer_leaf_name, leaf_name


def convert(model: nn.Module, rules: Rules) -> "Converted":
    """The same model with some of its layers on arrays.

    The layers ``nn.Dense``, ``nn.DenseGeneral`` and ``nn.Conv`` whose kernel's path matches a
    pattern do what those of this module do: they multiply as their ``io`` says, with noise of the
    stream "analog", and have taps. Parameters keep their paths, and one key initializes them as
    before; only kernels of ``nn.DenseGeneral``, thus of attention, become matrices, as
    :func:`from_flax` makes those of a checkpoint.

    Args:
      model: a linen model; its class and its other uses stay as they are.
      rules: pairs of a regular expression, searched in the paths of kernels such as
        ``encoder/Dense_0/kernel``, and an :class:`~analogjax.nn.Analog`; the first match counts.

    Returns:
      A model to ``init`` and ``apply``; a ``method`` other than ``__call__`` is given by its name.

    Raises:
      TypeError: if the model is no linen module, or ``rules`` are no such pairs.
      ValueError: if a pattern is no regular expression; by a call, if a pattern gets no kernel, or
        one whose layer cannot be analog.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import Analog
      >>> from analogjax.nn import linen as ann
      >>> from analogjax.periphery import AnalogIO
      >>> model = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(3)])
      >>> model = ann.convert(model, [("layers_2/kernel", Analog(io=AnalogIO()))])
      >>> variables = model.init(jax.random.key(0), jnp.ones((1, 2)))
      >>> list(ann.taps(model, variables, jnp.ones((1, 2))))
      ['layers_2']
    """
    check_rules(rules)
    if not isinstance(model, nn.Module):
        raise no_model(model, "a linen module, such as Net()", "analogjax.nn.nnx.convert", "NNX")
    return Converted(_Template(model), tuple((pattern, analog) for pattern, analog in rules))


@dataclasses.dataclass(frozen=True)
class _Template:
    """A model that flax does not take for a submodule, which would have a path of its own."""

    model: nn.Module


class Converted(nn.Module):
    """A model some of whose layers are analog; made by :func:`convert`.

    Attributes:
      template: the model, bound to the scope of this one.
      rules: which layers are analog, and how.
    """

    template: _Template
    rules: tuple[tuple[str, Analog], ...]

    def setup(self):
        assert self.scope is not None
        # What the layers are is part of what nn.jit compiles for, which knows a scope by its flags.
        self.scope.flags = FrozenDict({**self.scope.flags, "analog": self.rules})
        bound = self.template.model.clone(parent=self.scope, _deep_clone=True)
        object.__setattr__(self, "_bound", bound)

    def __call__(self, *args, **kwargs):
        """Calls the model."""
        return self._call("__call__", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Any other method of the model, called with its analog layers."""
        template = self.__dict__.get("template")
        if template is None or not callable(getattr(type(template.model), name, None)):
            return super().__getattr__(name)

        def method(self, *args, **kwargs):
            return self._call(name, *args, **kwargs)

        return types.MethodType(method, self)

    def _call(self, name: str, *args, **kwargs):
        depth = len(self.path)

        def path_of(layer):
            return "/".join((*layer.path[depth:], "kernel"))

        taken = set()  # A module may share the scope of its layer, and so hold its kernel.

        def analog_of(layer):
            rule = rule_of(self.rules, path_of(layer))
            if rule is None:
                return None
            taken.add(path_of(layer))
            return rule[1]

        def check(layer):
            rule = rule_of(self.rules, path_of(layer))
            if rule is not None and path_of(layer) not in taken and _has_kernel(layer):
                refuse_kind(path_of(layer), rule, layer, KINDS)

        with analog_products(analog_of, check):
            y = getattr(self._bound, name)(*args, **kwargs)
        params = self.variables.get("params", {})
        leaves = jax.tree_util.tree_leaves_with_path(params)
        names = dict.fromkeys(layer_leaf_name(leaf_name(path)) for path, _ in leaves)
        check_all_used(self.rules, [name for name in names if name.rpartition("/")[2] == "kernel"])
        return y


def _has_kernel(layer: nn.Module) -> bool:
    kernel = layer.variables.get("params", {}).get("kernel")
    return hasattr(kernel, "shape") and not isinstance(layer, Array)
