"""The one training loop of all rules: an epoch is one scan, a whole run can be vmapped."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from analogjax.experiments._data import ImageSet
from analogjax.nn import linen as ann
from analogjax.rules import AnalogState, leaf_name

READS = 2**31  # Apart from all numbers of epochs, so that samples keep their order.


class RunState(NamedTuple):
    """Everything a training is at the end of an epoch.

    Attributes:
      params: parameters of the model.
      opt_state: state of the optimizer, the tiles included.
      key: root key of the order of the samples and of the noise of reads; never consumed.
      epoch: number of epochs made, int32.
    """

    params: Any
    opt_state: Any
    key: jax.Array
    epoch: jax.Array


class EpochMetrics(NamedTuple):
    """What one epoch reports.

    Attributes:
      train_loss: mean cross-entropy of the mini-batches, before each update.
      test_accuracy: share of the test images classified correctly after the epoch.
      pulses: pulses sent to all tiles since the start.
    """

    train_loss: jax.Array
    test_accuracy: jax.Array
    pulses: jax.Array


class Training(NamedTuple):
    """A training as two pure functions.

    Attributes:
      init: from a key to the state before the first epoch.
      epoch: from a state to the state and the metrics after one more epoch.
      steps_per_epoch: number of mini-batches in an epoch.
    """

    init: Callable[[jax.Array], RunState]
    epoch: Callable[[RunState], tuple[RunState, EpochMetrics]]
    steps_per_epoch: int


def make_training(
    model: nn.Module,
    make_optimizer: Callable[[jax.Array], optax.GradientTransformationExtraArgs],
    data: ImageSet,
    *,
    batch_size: int,
    factors: bool = True,
) -> Training:
    """Builds a training of ``model`` on ``data``.

    Each epoch visits the training images in a new random order, drawn from the key and the number
    of the epoch, and leaves out the last images that fill no mini-batch. Both functions are pure:
    wrap them in ``jax.jit``, and in ``jax.vmap`` over keys to train several seeds at once.

    Args:
      model: a linen model of layers of :mod:`analogjax.nn.linen`.
      make_optimizer: from a key to the optimizer, so that each seed has devices of its own.
      data: the images.
      batch_size: images in a mini-batch.
      factors: give the rule the factors (x, delta) of each layer, and so every sample's pulses.

    Returns:
      The training.

    Raises:
      ValueError: if the batch size is below 1 or above the number of training images.
    """
    samples = len(data.train_labels)
    if not 1 <= batch_size <= samples:
        raise ValueError(
            f"batch_size must lie between 1 and the number of training images, {samples}; got "
            f"{batch_size}."
        )
    steps = samples // batch_size
    train_x, train_y, test_x, test_y = map(jnp.asarray, data)

    def init(key: jax.Array) -> RunState:
        key_params, key_order, key_rule = jax.random.split(key, 3)
        params = model.init(key_params, train_x[:1])["params"]
        opt_state = make_optimizer(key_rule).init(params)
        return RunState(params, opt_state, key_order, jnp.zeros((), jnp.int32))

    # Draws are addressed through the key in the state, so the update needs no key of its own.
    update = make_optimizer(jax.random.key(0)).update

    def loss_fn(params, taps, x, y, key):
        logits = model.apply({"params": params, "taps": taps}, x, rngs={"analog": key})
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    gradients = jax.value_and_grad(loss_fn, argnums=(0, 1))

    def step(carry, batch_and_key):
        params, opt_state = carry
        batch, key = batch_and_key
        x, y = train_x[batch], train_y[batch]
        taps = ann.taps(model, {"params": params}, x)
        loss, (grads, pairs) = gradients(params, taps, x, y, key)
        extra = {"factors": pairs} if factors else {}
        updates, opt_state = update(grads, opt_state, params, value=loss, **extra)
        return (optax.apply_updates(params, updates), opt_state), loss

    def epoch(state: RunState) -> tuple[RunState, EpochMetrics]:
        order = jax.random.permutation(jax.random.fold_in(state.key, state.epoch), samples)
        batches = order[: steps * batch_size].reshape(steps, batch_size)
        reads = jax.random.fold_in(jax.random.fold_in(state.key, READS), state.epoch)
        keys = jax.random.split(reads, steps + 1)
        start = state.params, state.opt_state
        carry, losses = jax.lax.scan(step, start, (batches, keys[:-1]))
        new = RunState(*carry, state.key, state.epoch + 1)
        hits = _hits(model, new.params, test_x, test_y, keys[-1])
        return new, EpochMetrics(losses.mean(), hits / len(test_y), pulses_sent(new.opt_state))

    return Training(init, epoch, steps)


def whole_training(training: Training, key: jax.Array, epochs: int) -> EpochMetrics:
    """What each epoch of a whole training reports, ``(epochs,)`` each: one pure function of a key.

    Args:
      training: as made by :func:`make_training`.
      key: PRNG key of everything in it.
      epochs: passes over the training images.
    """
    start = training.init(key)
    return jax.lax.scan(lambda state, _: training.epoch(state), start, length=epochs)[1]


def over_seeds(training: Training) -> Training:
    """The same training for several keys at once, in one compiled call.

    Step and epoch counters are the same for all seeds and stay scalars: what is due in a step is
    then decided once, and a transfer that is not due is skipped rather than computed and thrown
    away.

    Args:
      training: as made by :func:`make_training`.

    Returns:
      A training whose ``init`` takes an array of keys, and whose states and metrics have a leading
      axis of seeds.
    """
    axes = batch_axes(training)
    return Training(
        jax.vmap(training.init, out_axes=axes),
        jax.vmap(training.epoch, in_axes=(axes,), out_axes=(axes, 0)),
        training.steps_per_epoch,
    )


def batch_axes(training: Training) -> RunState:
    """The axis of each leaf of a state over which several trainings are batched: 0 or None.

    Args:
      training: any one of them.
    """

    def axis(path, leaf):
        del leaf
        return None if leaf_name(path).rpartition("/")[-1] in ("count", "epoch") else 0

    state = jax.eval_shape(training.init, jax.random.key(0))
    return jax.tree_util.tree_map_with_path(axis, state)


def pulses_sent(opt_state) -> jax.Array:
    """Pulses sent to all tiles of all parameters since the start, up and down together."""
    found = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, AnalogState))
    counters = [
        optax.tree.get_all_with_path(state, "pulses")
        for state in found
        if isinstance(state, AnalogState)
    ]
    totals = [counter.total.sum() for counts in counters for _, counter in counts]
    return jnp.asarray(sum(totals), jnp.float32)


def _hits(model, params, images, labels, key, chunk: int = 500) -> jax.Array:
    """Number of images classified correctly, in chunks that bound the memory of the patches."""

    def count(x, y, key):
        logits = model.apply({"params": params}, x, rngs={"analog": key})
        return (logits.argmax(-1) == y).sum()

    # Else XLA computes at length, while it compiles, what a first layer makes of constant images.
    images = jax.lax.optimization_barrier(images)
    whole = len(labels) // chunk * chunk
    hits = jnp.zeros((), jnp.int32)
    if whole < len(labels):
        hits += count(images[whole:], labels[whole:], key)
    if whole:
        parts = (
            images[:whole].reshape(-1, chunk, *images.shape[1:]),
            labels[:whole].reshape(-1, chunk),
            jax.random.split(jax.random.fold_in(key, whole), whole // chunk),
        )
        hits += jax.lax.map(lambda part: count(*part), parts).sum()
    return hits
