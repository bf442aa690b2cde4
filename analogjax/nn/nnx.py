"""NNX layers whose products are those of a crossbar and which give away their factors.

They are flax's own layers with another product. :func:`value_and_factors` is
``nnx.value_and_grad`` that gathers the factors (x, d) of every layer on the way.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from flax.linen.linear import canonicalize_padding

from analogjax.nn._patches import each, extract_patches
from analogjax.nn._product import empty_tap, product
from analogjax.pulses import Factors


class Tap(nnx.Variable):
    """Zeros by which a loss is differentiated for a layer's factors; present only meanwhile."""


class _Tapped:
    """A layer that may hold a tap, and that notes the shapes of its factors where asked to."""

    tap: Tap | None = None
    note: Callable[[Factors], None] | None = None

    def _product(self, x: jax.Array, matrix: jax.Array) -> jax.Array:
        if self.note is not None:
            self.note(empty_tap(x, matrix.shape[-1], x.dtype))
        return product(x, matrix, None if self.tap is None else self.tap.get_value())


class Linear(_Tapped, nnx.Linear):
    """A dense layer on a crossbar, with the arguments of ``nnx.Linear``.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> ann.Linear(2, 3, rngs=nnx.Rngs(0))(jnp.ones((4, 2))).shape
      (4, 3)
    """

    def __call__(self, inputs: jax.Array) -> jax.Array:  # type: ignore[override]
        """Applies the layer to ``(..., in)``."""
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype(
            (inputs, self.kernel[...], bias), dtype=self.dtype
        )
        y = self._product(inputs, kernel)
        return y if bias is None else y + bias


class Conv(_Tapped, nnx.Conv):
    """A convolution on a crossbar, with the arguments of ``nnx.Conv``.

    Each patch of the input is multiplied by the kernel as a matrix; every output position is a
    pulse vector of its own when the kernel is updated. Masks, input dilation and feature groups
    are refused.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.Conv(2, 5, (3, 3), padding="VALID", rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((4, 8, 8, 2))).shape
      (4, 6, 6, 5)
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.feature_group_count != 1 or self.mask is not None or self.input_dilation != 1:
            raise ValueError(
                f"An analog Conv has no feature groups (got {self.feature_group_count}), mask or "
                f"input dilation (got {self.input_dilation}); use nnx.Conv for such a layer."
            )
        self.conv_general_dilated = None  # type: ignore[assignment]  # A product takes its place.

    def __call__(self, inputs: jax.Array) -> jax.Array:  # type: ignore[override]
        """Applies the layer to ``(batch, *spatial, channels)``."""
        size = self.kernel_size
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype(
            (inputs, self.kernel[...], bias), dtype=self.dtype
        )
        patches = extract_patches(
            inputs,
            size,
            each(self.strides, size),
            canonicalize_padding(self.padding, len(size)),
            each(self.kernel_dilation, size),
        )
        y = self._product(patches, kernel.reshape(-1, self.out_features))
        return y if bias is None else y + bias


def value_and_factors(loss_fn: Callable, *, has_aux: bool = False) -> Callable:
    """As ``nnx.value_and_grad(loss_fn)``, with the factors of every analog layer.

    Args:
      loss_fn: a function of a model and further arguments that returns a loss, or a pair of a
        loss and something else if ``has_aux``.
      has_aux: as for ``nnx.value_and_grad``.

    Returns:
      A function that returns ``value, (grads, factors)``: ``grads`` is the gradient by the
      model's ``nnx.Param``, ``factors`` holds a pair (x, d) at each kernel's path, as the rules
      want for ``factors=``. Other variables that ``loss_fn`` changes are updated in the model.

    Raises:
      ValueError: if a layer is called twice, since each call would need a tap of its own.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> model = ann.Linear(2, 3, rngs=nnx.Rngs(0))
      >>> loss = lambda model, x: model(x).sum()
      >>> value, (grads, factors) = ann.value_and_factors(loss)(model, jnp.ones((4, 2)))
      >>> factors["kernel"].x.shape, factors["kernel"].d.shape
      ((4, 2), (4, 3))
    """

    def wrapped(model: nnx.Module, *args):
        graphdef, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
        taps = _taps(loss_fn, graphdef, (params, rest), args)

        def pure(params, taps):
            tapped = nnx.merge(graphdef, params, rest, copy=True)
            for path, layer in _layers(tapped):
                layer.tap = Tap(taps[path]) if path in taps else None
            out = loss_fn(tapped, *args)
            loss, aux = out if has_aux else (out, None)
            return loss, (aux, nnx.state(tapped, nnx.Not(nnx.Any(nnx.Param, Tap))))

        (loss, (aux, changed)), (grads, factors) = jax.value_and_grad(
            pure, argnums=(0, 1), has_aux=True
        )(params, taps)
        nnx.update(model, changed)
        return ((loss, aux) if has_aux else loss), (grads, _nested(factors))

    return wrapped


def _layers(model: nnx.Module) -> list[tuple[str, "_Tapped"]]:
    """The analog layers of a model by their paths."""
    found = [(path, layer) for path, layer in nnx.iter_modules(model) if isinstance(layer, _Tapped)]
    return [("/".join(map(str, path)), layer) for path, layer in found]


def _taps(loss_fn, graphdef, state, args) -> dict[str, Factors]:
    """A tap for each analog layer that the loss calls; found while tracing, nothing runs."""
    noted: dict[str, Factors] = {}

    def note(path, shapes):
        if path in noted:
            raise ValueError(
                f"Layer '{path}' is called twice in one pass: its two calls would share one tap. "
                f"Train such a layer on gradients alone, with nnx.value_and_grad."
            )
        noted[path] = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes)

    def run(state):
        model = nnx.merge(graphdef, *state, copy=True)
        for path, layer in _layers(model):
            layer.note = functools.partial(note, path)
        loss_fn(model, *args)

    jax.eval_shape(run, state)
    return {path: Factors(*(jnp.zeros(*leaf) for leaf in pair)) for path, pair in noted.items()}


def _nested(factors: dict[str, Factors]) -> dict:
    """The factors at their kernels' paths, as nested dictionaries."""
    tree: dict = {}
    for path, pair in factors.items():
        node = tree
        for part in path.split("/") if path else []:
            node = node.setdefault(part, {})
        node["kernel"] = pair
    return tree
