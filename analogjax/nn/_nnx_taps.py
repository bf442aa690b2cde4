"""Taps of an NNX model: zeros to differentiate by, one pair for each call of a layer."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from analogjax.nn._analog import Analog, check_analog
from analogjax.nn._nnx_converters import Converters
from analogjax.nn._product import empty_tap, product
from analogjax.nn._tap_error import tap_error
from analogjax.pulses import Factors

Pairs = tuple[Factors, ...]

# Those of the model, the first of the nodes that a loss is given.
_PARAMS = nnx.All(nnx.Param, lambda path, _: path[0] == 0)

_REMEDY = (
    "The steps of a transformation would share one tap: give nnx.scan and nnx.vmap in_axes "
    "nnx.StateAxes({Tap: 0, ...: None}) for the model, nnx.RNN state_axes=nnx.StateAxes("
    "{Tap: 0, ...: nnx.Carry}), Tap being that of analogjax.nn.nnx, call a layer in scans of one "
    "length only, and the same layers in all branches of nnx.cond and nnx.switch; of JAX's own "
    "transformations take NNX's."
)


class Tap(nnx.Variable):
    """Zeros to differentiate by for the factors of a layer, a pair for each of its calls.

    A layer has one only while :func:`value_and_factors` runs. Where the steps of a transformation
    share the layer, each needs a tap of its own: ``nnx.StateAxes({Tap: 0, ...: None})``.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> axes = nnx.StateAxes({ann.Tap: 0, ...: None})
      >>> @nnx.scan(in_axes=(axes, nnx.Carry), out_axes=nnx.Carry, length=5)
      ... def unroll(layer, x):
      ...     return jnp.tanh(layer(x))
      >>> layer = ann.Linear(3, 3, rngs=nnx.Rngs(0))
      >>> loss = lambda layer, x: unroll(layer, x).sum()
      >>> _, (_, factors) = ann.value_and_factors(loss)(layer, jnp.ones((4, 3)))
      >>> factors["kernel"].x.shape  # Five steps of four samples.
      (5, 4, 3)
    """


class Tapped(nnx.Module):
    """A layer whose product may go through converters, and that may hold a tap.

    Attributes:
      kernel: its weights; a layer whose weights lie on arrays, modules of their own, has none.
      io: converters of the product, or None for a perfect one.
      io_backward: those that the errors go back through, or None for exact derivatives.
      stream: what the noise of both is drawn from.
      tap: its tap, if any.
      calls: how often it was called in this pass; transformations hand it on as they do all of
        a module that is not an array.
      making: whether this is the pass that makes the taps.
    """

    kernel: nnx.Param
    io = Converters()
    io_backward = Converters()
    stream: nnx.RngStream | None = None
    tap: Tap | None = None
    calls: int = 0
    making: bool = False

    def __setattr__(self, name: str, value) -> None:
        attribute = getattr(type(self), name, None)
        if isinstance(attribute, Converters):  # NNX would refuse arrays that are in no variable.
            attribute.__set__(self, value)
        else:
            super().__setattr__(name, value)

    def wire(self, analog: Analog, rngs: nnx.Rngs | None) -> None:
        """Sets the converters, with random numbers of their own if they draw any."""
        check_analog(analog)
        if analog.io is None and analog.io_backward is None:
            return
        self.io, self.io_backward = analog.io, analog.io_backward
        if analog.is_random:
            if rngs is None:
                raise ValueError(
                    "Converters with noise need random numbers: give rngs, such as "
                    "nnx.Rngs(analog=0)."
                )
            self.stream = rngs["analog"].fork()

    def _product(
        self,
        x: jax.Array,
        matrix: jax.Array,
        groups: int = 1,
        scale: jax.Array | None = None,
    ) -> jax.Array:
        if self.making and self.tap is not None:  # Shapes are all that counts.
            return self._making(x, product(x, matrix, None, groups))
        key = None if self.stream is None else self.stream()
        tap = None if self.tap is None else self.tap.get_value()[self.calls]
        analog = Analog(io=self.io, io_backward=self.io_backward)
        y = product(x, matrix, tap, groups, analog, key, scale)
        if tap is not None:
            self.calls += 1
        return y

    def _making(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Adds the tap of one call."""
        assert self.tap is not None
        pairs = self.tap.get_value()
        if len(pairs) != self.calls:
            raise ValueError("Transformations with graph_updates=False call one layer twice.")
        self.tap.set_value((*pairs, empty_tap(x, y)))
        self.calls += 1
        return y


def value_and_factors(loss_fn: Callable, *, has_aux: bool = False) -> Callable:
    """As ``nnx.value_and_grad(loss_fn)``, with the factors of every analog layer.

    Args:
      loss_fn: a function of a model, its first argument, and further arguments, that returns a
        loss, or a pair of a loss and something else if ``has_aux``.
      has_aux: as for ``nnx.value_and_grad``.

    Returns:
      A function that returns ``value, (grads, factors)``: ``grads`` is the gradient by the
      model's ``nnx.Param``, ``factors`` holds a pair (x, d) at each kernel's path, or a tuple of
      pairs for a layer called several times, one for each call in the order of the pass, as the
      rules want for ``factors=``. Other variables that ``loss_fn`` changes are updated in the
      model, and in generators and metrics among the further arguments.

    Raises:
      TypeError: if the first argument is no ``nnx.Module``.
      ValueError: if a layer is called under a transformation whose steps would share one tap; see
        :class:`Tap` for what ``nnx.scan`` and ``nnx.vmap`` need. ``nnx.remat`` and ``nnx.jit``
        need nothing.

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

    def wrapped(model: nnx.Module, *args, **kwargs):
        if not isinstance(model, nnx.Module):
            raise TypeError(
                f"The first argument must be the model, an nnx.Module, got {type(model).__name__}."
            )

        leaves, treedef = jax.tree.flatten((args, kwargs), is_leaf=_is_node)
        # What a loss may change: generators and metrics among the arguments as well as the model.
        nodes = [model, *filter(_is_node, leaves)]

        def loss_of(nodes):
            model, *given = nodes
            own = iter(given)
            arguments = [next(own) if _is_node(leaf) else leaf for leaf in leaves]
            args, kwargs = jax.tree.unflatten(treedef, arguments)
            return loss_fn(model, *args, **kwargs)

        graphdef, params, rest = nnx.split(nodes, _PARAMS, ...)  # type: ignore[misc]
        taps = _taps(loss_of, graphdef, (params, rest))

        def pure(params, taps):
            tapped = nnx.merge(graphdef, params, rest, copy=True)
            for path, layer in _layers(tapped[0]):
                layer.tap = Tap(taps[path]) if path in taps else None
            out = loss_of(tapped)
            loss, aux = out if has_aux else (out, None)
            return loss, (aux, nnx.state(tapped, nnx.Not(nnx.Any(_PARAMS, Tap))))

        (loss, (aux, changed)), (grads, factors) = jax.value_and_grad(
            pure, argnums=(0, 1), has_aux=True
        )(params, taps)
        nnx.update(nodes, changed)
        grads = grads.get(0, nnx.State({}))
        return ((loss, aux) if has_aux else loss), (grads, _by_kernel(model, factors))

    return wrapped


def _is_node(leaf) -> bool:
    return isinstance(leaf, nnx.Pytree | nnx.Variable)


def _layers(model: nnx.Module) -> list[tuple[str, Tapped]]:
    """What multiplies with a kernel of its own, by its path."""
    return [
        ("/".join(map(str, path)), layer)
        for path, layer in nnx.iter_modules(model)
        if isinstance(layer, Tapped) and hasattr(layer, "kernel")
    ]


def _taps(loss_of, graphdef, state) -> dict[str, Pairs]:
    """The taps of each analog layer that the loss calls; found while tracing, nothing runs."""

    def run(making, state):
        nodes = nnx.merge(graphdef, *state, copy=True)
        layers = _layers(nodes[0])
        for _, layer in layers:
            layer.tap, layer.making = (Tap(()) if making else None), making
        loss_of(nodes)
        made = {
            path: (layer, layer.tap.get_value()) for path, layer in layers if layer.tap is not None
        }
        if any(layer.calls > len(pairs) for layer, pairs in made.values()):
            raise ValueError("A transformation has dropped taps.")
        return {path: pairs for path, (_, pairs) in made.items() if pairs}

    try:
        made = jax.eval_shape(functools.partial(run, True), state)
    except Exception as error:
        jax.eval_shape(functools.partial(run, False), state)  # The loss's own errors, as they are.
        raise tap_error(_REMEDY, error) from error
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), made)


def _by_kernel(model: nnx.Module, factors: dict[str, Pairs]) -> dict:
    """The factors as nested dictionaries, at the paths of the kernels, which layers may share."""
    kernels = {id(node): path for path, node in nnx.iter_graph(model)}
    pairs: dict[tuple, Pairs] = {}
    for path, layer in _layers(model):
        kernel = kernels[id(layer.kernel)]
        pairs[kernel] = (*pairs.get(kernel, ()), *factors.get(path, ()))
    return nnx.traversals.unflatten_mapping(
        {
            tuple(map(str, path)): several if len(several) > 1 else several[0]
            for path, several in pairs.items()
            if several
        }
    )
