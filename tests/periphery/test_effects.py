"""Each effect alone against its formula, in plain NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analogjax.periphery import AnalogIO, mvm, running_abs_max
from analogjax.periphery._asymmetry import asymmetric
from analogjax.periphery._draws import Use, normal_from
from analogjax.periphery._ir_drop import ir_drop
from analogjax.periphery._noise_management import noise_scale
from analogjax.periphery._nonlinearity import bend
from analogjax.periphery._rounding import quantise, step_size
from analogjax.periphery._voltage_offset import voltage_offset
from analogjax.periphery._weight_noise import weight_noise_std

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 8)).astype(np.float32)
W = (0.4 * RNG.normal(size=(8, 3))).astype(np.float32)
Z = X @ W
KEY = jax.random.key(2)
# Converters that do nothing.
NOTHING = AnalogIO(
    inp_bound=np.inf,
    inp_res=-1,
    out_bound=np.inf,
    out_res=-1,
    out_noise=0.0,
    noise_management="none",
    bound_management="none",
)


def close(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("bound", "res", "step"), [(1, 1 / 126, 1 / 63), (12, 510, 24 / 510), (2, -1, 0), (2, 0, 0)]
)
def test_step_of_a_converter(bound, res, step):
    close(step_size(bound, res), step)


def test_rounding_is_half_to_even():
    v = jnp.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.9])
    assert quantise(KEY, Use.INPUT_ROUNDING, v, 4.0, 1 / 8, False).tolist() == [0, 2, 2, 0, -2, 1]


def test_random_rounding_gives_neighbours_and_the_value_on_average():
    v = jnp.full(40_000, 0.3)
    rounded = quantise(KEY, Use.INPUT_ROUNDING, v, 4.0, 1 / 8, True)
    assert set(rounded.tolist()) == {0.0, 1.0}
    assert abs(rounded.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / v.size)


def test_normal_numbers_are_quantiles_of_their_words():
    words = np.concatenate([[0, 1, 2**32 - 1], RNG.integers(0, 2**32, 100_000)]).astype(np.uint32)
    numbers = np.asarray(normal_from(jnp.asarray(words)), float)
    wanted = stats.norm.ppf(((words >> 1) + 0.5) / 2**32)
    np.testing.assert_allclose(numbers, np.where(words % 2, -wanted, wanted), rtol=0, atol=2e-6)
    assert stats.kstest(numbers[3:], stats.norm.cdf).pvalue > 1e-4


def test_negative_values_are_scaled():
    close(asymmetric(jnp.array([-2.0, 3.0]), 0.25), [-1.5, 3.0])


def test_ir_drop():
    n, lost = X.shape[1], np.zeros((5, 3))
    for b in range(5):
        for i in range(3):
            a = n / 50 * sum(abs(W[j, i]) * abs(X[b, j]) for j in range(n))
            c = a * (a * (0.05 * a - 0.2) + 0.5)
            lost[b, i] = c * sum(W[j, i] * X[b, j] * (1 - (1 - j / n) ** 2) for j in range(n))
    close(ir_drop(jnp.asarray(X), jnp.asarray(W), 50.0), lost)


@pytest.mark.parametrize("r", [0.0, 0.2])
@pytest.mark.parametrize("w_min", [0.0, -1.0])
def test_voltage_offset(r, w_min):
    v, z_r = np.array([0.0, 0.1, 0.3]), -w_min * X.sum(1, keepdims=True)
    plus, minus = Z + z_r, z_r
    wanted = (1 - v) * plus / (1 + r * abs(plus)) - (1 + v) * minus / (1 + r * abs(minus))
    close(voltage_offset(jnp.asarray(Z), jnp.asarray(X), v, w_min, r), wanted)
    if r == 0:
        close(wanted, (1 - v) * Z - 2 * v * z_r)


def test_spread_of_weight_noise():
    constant = weight_noise_std(jnp.asarray(X), jnp.asarray(W), "additive_constant")
    close(constant, np.linalg.norm(X, axis=1, keepdims=True))
    close(weight_noise_std(jnp.asarray(X), jnp.asarray(W), "pcm_read"), np.sqrt(X**2 @ abs(W)))


@pytest.mark.parametrize("out_bound", [4.0, np.inf])
def test_nonlinearity(out_bound):
    own = np.array([0.2, 0.4, 0.9])
    bound = min(out_bound, 1e9) if np.isfinite(out_bound) else 1.0
    nu = own / bound
    f = 1 + (nu.mean() + 0.1) * 0.5 * bound
    wanted = f**2 * Z / (1 + abs(nu * Z))
    close(bend(jnp.asarray(Z), own, 0.1, 0.5, out_bound), wanted)


def test_slope_without_calibration_is_that_of_the_product_at_zero():
    slope = jax.grad(lambda z: bend(z, 0.8, 0.0, 0.0, 2.0))(0.0)
    close(slope, 1.0)


SUMS = np.maximum(np.maximum(X, 0).sum(1), -np.minimum(X, 0).sum(1))
LARGEST = abs(X).max(1)
SCALES = [
    ({"noise_management": "none"}, np.ones(5)),
    ({"noise_management": "abs_max"}, LARGEST),
    ({"noise_management": "abs_max", "nm_thres": 1.1}, np.minimum(LARGEST, 1.1)),
    ({"noise_management": "max"}, X.max(1)),
    ({"noise_management": "constant", "nm_thres": 3.0}, np.full(5, 3.0)),
    ({"noise_management": "constant"}, np.ones(5)),
    (
        {"noise_management": "abs_max_np_sum", "out_bound": 0.5, "inp_res": -1},
        np.maximum(LARGEST, SUMS * 0.6 / 0.5),
    ),
    (
        {"noise_management": "abs_max_np_sum", "out_bound": 0.5, "max_bm_res": 1.2 / 63},
        np.maximum(LARGEST, np.minimum(SUMS * 0.6 / 0.5, 1.2 * LARGEST)),
    ),
]


@pytest.mark.parametrize(("fields", "scale"), SCALES)
def test_scale_of_the_inputs(fields, scale):
    close(noise_scale(jnp.asarray(X), AnalogIO(**fields))[:, 0], scale)


def test_running_mean_of_the_largest_inputs():
    kept, scales = running_abs_max(-1.0, jnp.asarray(X), 0.25)
    mean, wanted = LARGEST[0], [LARGEST[0]]
    for largest in LARGEST[1:]:
        mean = 0.75 * mean + 0.25 * largest
        wanted.append(mean)
    close(scales, wanted)
    close(kept, wanted[-1])
    later, _ = running_abs_max(kept, jnp.asarray(X[:1]), 0.25)
    close(later, 0.75 * kept + 0.25 * LARGEST[0])


NOISES = [
    ({"inp_noise": 0.2}, 0.2 * np.sqrt((W**2).sum(0)) * np.ones((5, 1))),
    ({"out_noise": 0.2}, np.full((5, 3), 0.2)),
    (
        {"w_noise": 0.2, "w_noise_type": "additive_constant"},
        0.2 * np.linalg.norm(X, axis=1, keepdims=True) * np.ones(3),
    ),
    ({"w_noise": 0.2, "w_noise_type": "pcm_read"}, 0.2 * np.sqrt(X**2 @ abs(W))),
    # Amplified by the scale of the inputs.
    (
        {"out_noise": 0.2, "noise_management": "abs_max", "inp_bound": 1.0},
        0.2 * LARGEST[:, None] * np.ones(3),
    ),
]


@pytest.mark.parametrize(("fields", "std"), NOISES)
def test_noise_is_centred_and_of_its_spread(fields, std):
    io = dataclasses.replace(NOTHING, **fields)
    keys = jax.random.split(KEY, 8000)
    y = np.asarray(jax.jit(jax.vmap(lambda key: mvm(key, X, W, io)))(keys))
    assert np.max(abs(y.mean(0) - Z) / std) < 4.5 / np.sqrt(len(keys))
    np.testing.assert_allclose(y.std(0) / std, 1, atol=4.5 / np.sqrt(2 * len(keys)))


def test_vectors_and_outputs_have_noise_of_their_own():
    io = dataclasses.replace(NOTHING, out_noise=1.0)
    noise = np.asarray(mvm(KEY, np.zeros((4000, 1), np.float32), np.zeros((1, 3), np.float32), io))
    assert np.max(abs(np.corrcoef(noise.T) - np.eye(3))) < 4.5 / np.sqrt(4000)
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 4.5 / np.sqrt(4000)


def test_what_is_drawn_for_a_line_has_its_spread_and_stays():
    io = AnalogIO(
        out_noise_std=0.3, v_offset_std=0.1, out_nonlinearity=0.5, out_nonlinearity_std=0.2,
        w_read_asymmetry_dtod=0.4,
    )  # fmt: skip
    own = io.sample(KEY, (2, 20_000))
    assert own.out_noise.shape == own.v_offset.shape == own.out_nonlinearity.shape == (20_000,)
    close_to = {"atol": 0.02}
    np.testing.assert_allclose(own.out_noise.std() / 0.06, 0.3, **close_to)
    np.testing.assert_allclose(own.out_nonlinearity.std() / 0.5, 0.2, **close_to)
    np.testing.assert_allclose(own.w_read_asymmetry.std(), 0.4, **close_to)
    assert (own.v_offset >= 0).all()
    np.testing.assert_allclose((own.v_offset > 0).mean(), 0.5, **close_to)
    assert own.w_read_asymmetry.shape == (2, 20_000)
    assert AnalogIO().sample(KEY, (2, 3)) == AnalogIO()
