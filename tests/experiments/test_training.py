"""The training loop: a pure function of settings and key, for one seed or several."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments import DigitsNet, ImageSet, LeNet5, load, make_training, over_seeds
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._run import run
from analogjax.experiments._text import TextSet
from analogjax.experiments._training import _cross_entropy, whole_training
from analogjax.nn import Analog, Mapping, labels
from analogjax.nn import linen as ann
from analogjax.rules import analog_sgd

DEVICE = SoftBounds.with_states(10)
BATCH = 16


class OneLayer(nn.Module):
    """The smallest network there is: it compiles in a tenth of the time of the others."""

    @nn.compact
    def __call__(self, x):
        return ann.Dense(10)(x.reshape(x.shape[0], -1))


@pytest.fixture(scope="module")
def data():
    return load("digits", train_size=64)


def training(data, settings):
    def optimizer(key):
        return make_optimizer(settings, DEVICE, key, epochs=2, steps_per_epoch=4)

    return make_training(OneLayer(), optimizer, data, batch_size=BATCH)


class Compiled:
    """A training of one seed and its two compiled functions, shared by several tests."""

    def __init__(self, data, rule):
        self.training = training(data, RuleSettings(rule=rule, num_tiles=2))
        self.init, self.epoch = jax.jit(self.training.init), jax.jit(self.training.epoch)

    def run(self, seed, epochs=2):
        state, reports = self.init(jax.random.key(seed)), []
        for _ in range(epochs):
            state, report = self.epoch(state)
            reports.append(report)
        return state, reports


@pytest.fixture(scope="module", params=["digital-sgd", "residual-learning"])
def compiled(request, data):
    return Compiled(data, request.param), request.param


def as_numbers(tree):
    """The leaves as NumPy arrays, typed keys as the numbers they hold."""

    def number(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return [number(leaf) for leaf in jax.tree.leaves(tree)]


def test_the_same_key_gives_the_same_run_to_the_bit_and_another_key_another_one(compiled):
    one, again, other = (compiled[0].run(seed) for seed in (3, 3, 4))
    for a, b in zip(as_numbers(one), as_numbers(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(one[1][0].train_loss) != float(other[1][0].train_loss)


def test_seeds_at_once_are_the_seeds_one_by_one(compiled):
    single, rule = compiled
    together = over_seeds(single.training)
    keys = jax.vmap(jax.random.key)(np.array([3, 4], np.uint32))
    state, report = jax.jit(lambda keys: together.epoch(together.init(keys)))(keys)
    assert report.train_loss.shape == (2,)
    assert int(state.epoch) == 1
    for i, seed in enumerate((3, 4)):
        alone, (alone_report,) = single.run(seed, epochs=1)
        np.testing.assert_allclose(report.train_loss[i], alone_report.train_loss, rtol=1e-3)
        np.testing.assert_allclose(report.pulses[i], alone_report.pulses, rtol=1e-2)
        # A rounding error may tip a pulse, which a few weights then show.
        tolerance = 1e-5 if rule == "digital-sgd" else 1e-2
        for many, one in zip(
            jax.tree.leaves(state.params), jax.tree.leaves(alone.params), strict=True
        ):
            np.testing.assert_allclose(np.mean(np.abs(many[i] - one)), 0.0, atol=tolerance)


def test_an_epoch_reports_the_loss_of_every_image_once_and_the_share_of_hits():
    # More than one chunk of test images, and a rest.
    rng = np.random.default_rng(0)
    data = ImageSet(
        *(rng.uniform(size=(64, 8, 8, 1)).astype(np.float32), np.arange(64, dtype=np.int32) % 10),
        *(rng.uniform(size=(1100, 8, 8, 1)).astype(np.float32), np.arange(1100) % 10),
    )
    still = training(data, RuleSettings(rule="digital-sgd", learning_rate=0.0))
    state = jax.jit(still.init)(jax.random.key(0))
    report = jax.jit(still.epoch)(state)[1]
    kernel, bias = (state.params["Dense_0"][name] for name in ("kernel", "bias"))
    logits = [x.reshape(len(x), -1) @ kernel + bias for x in (data.train_images, data.test_images)]
    loss = optax.softmax_cross_entropy_with_integer_labels(logits[0], data.train_labels).mean()
    assert still.steps_per_epoch == 4
    np.testing.assert_allclose(report.train_loss, loss, rtol=1e-5)
    hits = np.mean(np.argmax(logits[1], -1) == data.test_labels)
    np.testing.assert_allclose(report.test_accuracy, hits, rtol=1e-6)


def test_two_runs_of_one_setting_report_the_same_and_another_seed_another(data):
    def report(seed):
        result = run(
            RuleSettings(rule="digital-sgd"),
            OneLayer(),
            DEVICE,
            data,
            epochs=2,
            batch_size=BATCH,
            seeds=(seed,),
        )
        rows = result.rows()
        assert all(row.pop("samples_per_second") > 0 for row in rows)
        return rows

    first = report(5)
    assert [row["epoch"] for row in first] == [1, 2]
    assert first == report(5)
    assert [row["train_loss"] for row in first] != [row["train_loss"] for row in report(6)]


@pytest.mark.parametrize("rule", ["digital-sgd", "analog-sgd"])
def test_several_seeds_run_at_once_and_each_has_its_rows(data, rule):
    settings = RuleSettings(rule=rule)
    result = run(settings, OneLayer(), DEVICE, data, epochs=1, batch_size=BATCH, seeds=(0, 1))
    assert result.train_loss.shape == (1, 2)
    assert [row["seed"] for row in result.rows()] == [0, 1]


def test_a_loss_that_is_not_finite_stops_the_run_and_is_told(data):
    settings = RuleSettings(rule="digital-sgd", learning_rate=1e38)
    with pytest.raises(
        FloatingPointError, match=r"'Digital SGD' met .* in epoch 1: .*, first in step"
    ):
        run(settings, OneLayer(), DEVICE, data, epochs=3, batch_size=BATCH, seeds=(0,))
    with pytest.raises(
        FloatingPointError, match=r"'Digital SGD' met .* in epoch 1: the loss\. Lower"
    ):
        run(settings, OneLayer(), DEVICE, data, epochs=3, batch_size=BATCH, seeds=(0,), guards=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"seeds": ()}, "at least one seed"),
        ({"batch_size": 0}, "between 1 and .* 64; got 0"),
        ({"batch_size": 65}, "between 1 and .* 64; got 65"),
        ({"settings": RuleSettings(rule="nonsense")}, "Unknown rule 'nonsense'"),
        ({"settings": RuleSettings(warm_start="now")}, "Unknown warm start 'now'"),
        ({"settings": RuleSettings(gamma=2.0)}, "gamma must lie in .* got 2.0"),
        ({"settings": RuleSettings(digital_learning_rate=-1.0)}, "digital_learning_rate .* -1.0"),
    ],
)
def test_a_bad_setting_is_refused_before_anything_runs(data, change, message):
    arguments = {"epochs": 1, "batch_size": BATCH, "seeds": (0,), **change}
    settings = arguments.pop("settings", RuleSettings())
    with pytest.raises(ValueError, match=message):
        run(settings, OneLayer(), DEVICE, data, **arguments)


@pytest.mark.parametrize(
    ("model", "side", "size"), [(LeNet5(), 28, 80_202), (DigitsNet(), 8, 10_090)]
)
def test_a_network_has_so_many_parameters(model, side, size):
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, side, side, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == size


class Normed(nn.Module):
    """One layer with a mapping after a batch norm, so that there are collections of all kinds."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(not train, momentum=0.9)(x.reshape(x.shape[0], -1))
        return ann.Dense(10, mapping=Mapping(weight_scaling_omega=0.5))(x)


def digital(key):
    del key
    return optax.with_extra_args_support(optax.sgd(0.1))


def test_batch_statistics_are_averaged_and_scales_stay(data):
    trained = make_training(Normed(), digital, data, batch_size=BATCH)
    start = trained.init(jax.random.key(0))
    end, report = jax.jit(trained.epoch)(start)
    scales = (state.variables["mapping"]["Dense_0"]["array_0_0"]["scale"] for state in (start, end))
    assert jnp.array_equal(*scales)
    # Each step keeps 0.9 of the average; all batches have been seen once, in some order.
    share = 1 - 0.9**4
    mean = end.variables["batch_stats"]["BatchNorm_0"]["mean"] / share
    own = data.train_images.reshape(64, -1).mean(0)
    np.testing.assert_allclose(mean, own, atol=0.1)
    assert report.test_loss < 3


def test_images_are_augmented_where_they_are_learned_alone(data):
    def nothing(key, images):
        return jnp.zeros_like(images)

    trained = make_training(OneLayer(), digital, data, batch_size=BATCH, augment=nothing)
    start = trained.init(jax.random.key(0))
    end, _ = jax.jit(trained.epoch)(start)
    kernels = (s.params["Dense_0"]["kernel"] for s in (start, end))
    assert jnp.array_equal(*kernels)  # Black images have no gradient for it, biases have.
    assert not jnp.array_equal(*(s.params["Dense_0"]["bias"] for s in (start, end)))


def test_smoothed_labels_have_the_loss_of_smoothed_targets():
    logits = jax.random.normal(jax.random.key(0), (5, 3))
    targets = optax.smooth_labels(jax.nn.one_hot(jnp.array([0, 1, 2, 0, 1]), 3), 0.1)
    expected = optax.softmax_cross_entropy(logits, targets)
    loss = _cross_entropy(logits, jnp.array([0, 1, 2, 0, 1]), 0.1)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


class NextLetter(nn.Module):
    """Logits of the next letter from the last one alone."""

    @nn.compact
    def __call__(self, text):
        return ann.Dense(3)(jax.nn.one_hot(text, 3))


def test_a_text_is_learned():
    letters = np.arange(96, dtype=np.int32).reshape(-1, 8) % 3
    text = TextSet(letters, (letters + 1) % 3, letters[:2], (letters[:2] + 1) % 3)

    def rule(key):
        rule = analog_sgd(1.0, DEVICE, key=key)
        return optax.partition({"analog": rule, "digital": optax.sgd(1.0)}, labels)

    trained = make_training(NextLetter(), rule, text, batch_size=4)
    metrics = jax.jit(lambda key: whole_training(trained, key, 8))(jax.random.key(0))
    assert metrics.test_accuracy[-1] == 1
    assert metrics.test_loss[-1] < metrics.test_loss[0]


class Dropping(nn.Module):
    """Layers with dropout where the model learns; it has no statistics of batches."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dropout(0.5, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(3)(x)


@pytest.mark.parametrize("convert", [lambda m: m, lambda m: ann.convert(m, [("kernel", Analog())])])
def test_dropout_is_drawn_where_the_model_learns_and_nowhere_else(convert):
    images = ImageSet(np.ones((8, 2), np.float32), np.arange(8) % 3, np.ones((2, 2)), np.arange(2))

    def epoch_of(model):
        training = make_training(convert(model), lambda key: optax.sgd(0.0), images, batch_size=4)
        state = training.init(jax.random.key(0))
        return training.epoch(state)[1], training.epoch(state._replace(key=jax.random.key(1)))[1]

    first, other = epoch_of(Dropping())
    assert first.train_loss != other.train_loss
    assert first.test_loss == other.test_loss


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_labels": np.arange(5)}, "training data have 4 samples and 5 labels"),
        ({"test_images": np.ones((0, 2)), "test_labels": np.arange(0)}, "test data have 0 samples"),
        ({"train_images": np.ones((4, 2), np.uint8)}, "training images must be .* got uint8"),
        ({"test_labels": np.ones(4)}, "labels of the test data must be whole numbers, got float64"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(changed, message):
    images, labels = np.ones((4, 2), np.float32), np.arange(4)
    data = ImageSet(images, labels, images, labels)._replace(**changed)
    with pytest.raises(ValueError, match=message):
        make_training(nn.Dense(4), lambda key: optax.sgd(0.1), data, batch_size=2)


@pytest.mark.parametrize(("part", "label"), [("train_labels", 4), ("test_labels", -1)])
def test_labels_that_a_model_has_no_output_for_are_refused(part, label):
    images, labels = np.ones((4, 2), np.float32), np.arange(4)
    data = ImageSet(images, labels, images, labels)._replace(**{part: np.full(4, label)})
    training = make_training(nn.Dense(4), lambda key: optax.sgd(0.1), data, batch_size=2)
    state = training.init(jax.random.key(0))
    with pytest.raises(ValueError, match=rf"4 outputs, so that labels .* \[0, 4\), got {label}"):
        jax.eval_shape(training.epoch, state)


def test_a_smoothing_out_of_its_range_is_refused():
    images, labels = np.ones((4, 2), np.float32), np.arange(4)
    data = ImageSet(images, labels, images, labels)
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\), got 1.5"):
        make_training(
            nn.Dense(4), lambda key: optax.sgd(0.1), data, batch_size=2, label_smoothing=1.5
        )


def test_seeds_may_count_steps_of_their_own():
    images = ImageSet(np.ones((4, 2), np.float32), np.arange(4) % 2, np.ones((1, 2)), np.arange(1))

    def optimizer(key):
        return optax.apply_if_finite(optax.adam(0.1), 2)

    one = make_training(nn.Dense(2), optimizer, images, batch_size=2)
    together, keys = over_seeds(one), jax.vmap(jax.random.key)(jnp.arange(2))
    _, metrics = jax.jit(together.epoch)(together.init(keys))
    alone = [jax.jit(one.epoch)(one.init(key))[1].train_loss for key in keys]
    np.testing.assert_allclose(metrics.train_loss, alone, rtol=1e-6)
