"""The one training loop of all rules: an epoch is one scan, a whole run can be vmapped."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from analogjax.devices import is_concrete
from analogjax.experiments._data import ImageSet
from analogjax.experiments._finite import Broken, first_broken, parts_broken
from analogjax.experiments._mesh import kept_shared, shared_samples, whole_inputs
from analogjax.experiments._text import TextSet
from analogjax.nn import linen as ann
from analogjax.rules import AnalogState, leaf_name, nodes_of

READS = 2**31  # Apart from all numbers of epochs, so that samples keep their order.
AUGMENTATION, DROPOUT = 1, 2
STATISTICS = "batch_stats"


class RunState(NamedTuple):
    """Everything a training is at the end of an epoch.

    Attributes:
      params: parameters of the model.
      variables: its other collections: scales of a mapping, statistics of batches.
      opt_state: state of the optimizer, the tiles included.
      key: root key of the order of the samples and of the noise of reads; never consumed.
      epoch: number of epochs made, int32.
    """

    params: Any
    variables: dict[str, Any]
    opt_state: Any
    key: jax.Array
    epoch: jax.Array


class EpochMetrics(NamedTuple):
    """What one epoch reports.

    Attributes:
      train_loss: mean cross-entropy of the mini-batches, before each update.
      test_accuracy: share of the test labels that are the likeliest after the epoch.
      test_loss: mean cross-entropy of the test labels after the epoch.
      pulses: pulses sent to all tiles since the start.
      broken: the first step with a number that was not finite, where training looks for one.
    """

    train_loss: jax.Array
    test_accuracy: jax.Array
    test_loss: jax.Array
    pulses: jax.Array
    broken: Broken | None = None


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
    data: ImageSet | TextSet,
    *,
    batch_size: int,
    factors: bool = True,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    label_smoothing: float = 0.0,
    find_broken: bool = False,
) -> Training:
    """Builds a training of ``model`` on ``data``.

    Each epoch visits the training samples in a new random order, drawn from the key and the number
    of the epoch, and leaves out the last ones that fill no mini-batch. Both functions are pure:
    wrap them in ``jax.jit``, and in ``jax.vmap`` over keys to train several seeds at once. A model
    whose call has an argument ``train`` is given ``train=True`` where it learns, with random
    numbers for dropout, and ``train=False`` elsewhere.

    Within a mesh set by ``jax.set_mesh`` each mini-batch is shared between the devices of its axis
    ``data``, and the columns of large matrices, as :func:`analogjax.shardings` says, between those
    of its axis ``tile``. Numbers of devices change no draw.

    Args:
      model: a linen model of layers of :mod:`analogjax.nn.linen`.
      make_optimizer: from a key to the optimizer, so that each seed has devices of its own.
      data: the images or the text.
      batch_size: samples in a mini-batch.
      factors: give the rule the factors (x, delta) of each layer, and so every sample's pulses.
      augment: ``(key, images) -> images``, changes each mini-batch before it is learned.
      label_smoothing: share of the target that is spread evenly over the classes, in [0, 1).
      find_broken: look in every step for numbers that are not finite, for ``EpochMetrics.broken``.

    Returns:
      The training.

    Raises:
      ValueError: if the batch size is below 1 or above the number of training samples, the data do
        not fit together, or the smoothing is out of its range; as soon as the model is called, if
        it has no output for one of the labels.

    Example:
      >>> import jax, numpy as np, optax
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.experiments import ImageSet, make_training
      >>> from analogjax.nn import linen as ann
      >>> images, classes = np.eye(4, dtype=np.float32), np.arange(4)
      >>> def optimizer(key):
      ...     return analogjax.analog_sgd(0.5, SoftBounds.with_states(100), key=key)
      >>> training = make_training(
      ...     ann.Dense(4, use_bias=False),
      ...     optimizer,
      ...     ImageSet(images, classes, images, classes),
      ...     batch_size=4,
      ... )
      >>> epoch, state = jax.jit(training.epoch), training.init(jax.random.key(0))
      >>> for _ in range(20):
      ...     state, metrics = epoch(state)
      >>> metrics.test_accuracy.item()
      1.0
    """
    _check_data(data)
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}.")
    samples = len(data.train_labels)
    check_batch_size(batch_size, samples)
    steps = samples // batch_size
    flagged = "train" in _arguments(model)
    learning: dict[str, Any] = {"train": True} if flagged else {}
    resting: dict[str, Any] = {"train": False} if flagged else {}
    train_x, train_y, test_x, test_y = map(jnp.asarray, data)

    def init(key: jax.Array) -> RunState:
        key_params, key_order, key_rule = jax.random.split(key, 3)
        variables = dict(model.init(key_params, train_x[:1], **resting))
        params = variables.pop("params")
        opt_state = make_optimizer(key_rule).init(params)
        return RunState(params, variables, opt_state, key_order, jnp.zeros((), jnp.int32))

    resting_model = functools.partial(model.apply, **resting)
    # Draws are addressed through the key in the state, so the update needs no key of its own.
    update = make_optimizer(jax.random.key(0)).update

    def loss_fn(params, taps, variables, x, y, key):
        logits, changed = model.apply(
            {"params": params, "taps": taps, **variables},
            x,
            rngs=_streams(key),
            mutable=[STATISTICS],
            **learning,
        )
        _check_classes(logits, data)
        return _cross_entropy(logits, y, label_smoothing).mean(), {**variables, **changed}

    gradients = jax.value_and_grad(loss_fn, argnums=(0, 1), has_aux=True)

    def step(carry, batch_and_key):
        params, variables, opt_state = kept_shared(carry)
        batch, key = batch_and_key
        batch = shared_samples(batch)
        x, y = train_x[batch], train_y[batch]
        if augment is not None:
            x = augment(jax.random.fold_in(key, AUGMENTATION), x)
        taps = ann.taps(model, {"params": params, **variables}, x, rngs=_streams(key), **learning)
        (loss, variables), (grads, pairs) = gradients(params, taps, variables, x, y, key)
        extra = {"factors": whole_inputs(pairs)} if factors else {}
        updates, opt_state = update(grads, opt_state, params, value=loss, **extra)
        params = optax.apply_updates(params, updates)
        broken = parts_broken(loss, params) if find_broken else None
        return (params, variables, opt_state), (loss, broken)

    def epoch(state: RunState) -> tuple[RunState, EpochMetrics]:
        order = jax.random.permutation(jax.random.fold_in(state.key, state.epoch), samples)
        batches = order[: steps * batch_size].reshape(steps, batch_size)
        reads = jax.random.fold_in(jax.random.fold_in(state.key, READS), state.epoch)
        keys = jax.random.split(reads, steps + 1)
        start = state.params, state.variables, state.opt_state
        carry, (losses, broken) = jax.lax.scan(step, start, (batches, keys[:-1]))
        params, variables, opt_state = kept_shared(carry)
        new = RunState(params, variables, opt_state, state.key, state.epoch + 1)
        variables = {"params": new.params, **new.variables}
        accuracy, loss = _tested(resting_model, variables, test_x, test_y, keys[-1])
        metrics = EpochMetrics(losses.mean(), accuracy, loss, pulses_sent(new.opt_state))
        return new, metrics if broken is None else metrics._replace(broken=first_broken(broken))

    return Training(init, epoch, steps)


def _check_data(data: ImageSet | TextSet) -> None:
    """Raises a ValueError if samples and labels do not belong together."""
    for part, samples, labels in (("training", *data[:2]), ("test", *data[2:])):
        if len(samples) != len(labels) or not len(labels):
            raise ValueError(
                f"The {part} data have {len(samples)} samples and {len(labels)} labels: give as "
                f"many of both, and one at least."
            )
        if not jnp.issubdtype(labels.dtype, jnp.integer):
            raise ValueError(
                f"The labels of the {part} data must be whole numbers, got {labels.dtype}: number "
                f"the classes from 0 on."
            )
        if isinstance(data, ImageSet) and not jnp.issubdtype(samples.dtype, jnp.floating):
            raise ValueError(
                f"The {part} images must be floating-point numbers, got {samples.dtype}: divide "
                f"them by 255."
            )


def _check_classes(logits: jax.Array, data: ImageSet | TextSet) -> None:
    """Raises a ValueError if labels that can be seen are none of the classes of the logits."""
    classes = logits.shape[-1]
    for labels in filter(is_concrete, (data.train_labels, data.test_labels)):
        lowest, highest = np.asarray(labels).min(), np.asarray(labels).max()
        if lowest < 0 or highest >= classes:
            raise ValueError(
                f"The model has {classes} outputs, so that labels must lie in [0, {classes}), got "
                f"{lowest if lowest < 0 else highest}."
            )


def _arguments(model: nn.Module) -> Iterable[str]:
    """The arguments of a model's call, a converted one's being those of what it was made of."""
    template = getattr(model, "template", None)
    call = type(model if template is None else template.model).__call__
    return inspect.signature(call).parameters


def _streams(key: jax.Array) -> dict[str, jax.Array]:
    """Random numbers for a model that learns."""
    return {"analog": key, "dropout": jax.random.fold_in(key, DROPOUT)}


def _cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """The cross-entropy of each label; with smoothing, its target is shared with all classes."""
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if not smoothing:
        return loss
    return (1 - smoothing) * loss - smoothing * jax.nn.log_softmax(logits).mean(-1)


def check_batch_size(batch_size: int, samples: int) -> None:
    """Raises a ValueError if this is no size of a mini-batch of so many samples."""
    if not 1 <= batch_size <= samples:
        raise ValueError(
            f"batch_size must lie between 1 and the number of training images, {samples}; got "
            f"{batch_size}."
        )


def check_epochs(epochs: int) -> None:
    """Raises a ValueError if this is no length of a training."""
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}.")


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

    Epochs and the steps of rules are the same for all seeds and stay scalars: what is due in a step
    is then decided once, and a transfer that is not due is skipped rather than computed and thrown
    away.

    Args:
      training: as made by :func:`make_training`.

    Returns:
      A training whose ``init`` takes an array of keys, and whose states and metrics have a leading
      axis of seeds.

    Example:
      >>> import jax, optax
      >>> from flax import linen as nn
      >>> from analogjax.experiments import load, make_training, over_seeds
      >>> images = load("digits", train_size=16)
      >>> model = nn.Sequential([lambda x: x.reshape(len(x), -1), nn.Dense(10)])
      >>> one = make_training(model, lambda key: optax.sgd(0.1), images, batch_size=8)
      >>> training = over_seeds(one)
      >>> keys = jax.vmap(jax.random.key)(jax.numpy.arange(3))
      >>> state, metrics = jax.eval_shape(lambda keys: training.epoch(training.init(keys)), keys)
      >>> metrics.test_accuracy.shape
      (3,)
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

    def is_rule(node) -> bool:
        return isinstance(node, AnalogState)

    def axis(path, leaf):
        del leaf
        return None if leaf_name(path).rpartition("/")[-1] == "count" else 0

    def axes(node):
        return jax.tree_util.tree_map_with_path(axis, node) if is_rule(node) else 0

    state = jax.eval_shape(training.init, jax.random.key(0))
    return jax.tree.map(axes, state, is_leaf=is_rule)._replace(epoch=None)


def pulses_sent(opt_state) -> jax.Array:
    """Pulses sent to all tiles of all parameters since the start, up and down together."""
    counters = [
        optax.tree.get_all_with_path(state, "pulses") for state in nodes_of(opt_state, AnalogState)
    ]
    totals = [counter.total.sum() for counts in counters for _, counter in counts]
    return jnp.asarray(sum(totals), jnp.float32)


def _tested(apply, variables, samples, labels, key, chunk: int = 500):
    """Accuracy and mean loss on test samples, in chunks that bound the memory of the patches."""

    def totals(x, y, key):
        logits = apply(variables, x, rngs={"analog": key})
        return jnp.stack([(logits.argmax(-1) == y).sum(), _cross_entropy(logits, y).sum()])

    # Else XLA computes at length, while it compiles, what a first layer makes of constant images.
    samples = jax.lax.optimization_barrier(samples)
    whole = len(labels) // chunk * chunk
    total = jnp.zeros(2)
    if whole < len(labels):
        total += totals(samples[whole:], labels[whole:], key)
    if whole:
        parts = (
            samples[:whole].reshape(-1, chunk, *samples.shape[1:]),
            labels[:whole].reshape(-1, chunk, *labels.shape[1:]),
            jax.random.split(jax.random.fold_in(key, whole), whole // chunk),
        )
        total += jax.lax.map(lambda part: totals(*part), parts).sum(0)
    return total / labels.size
