"""Wrong settings and arguments get one clear error, which names the value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.periphery import AnalogIO, check_io, mvm, running_abs_max

KEY = jax.random.key(0)
X, W = jnp.ones((2, 3)), jnp.ones((3, 4))
FIELDS = [
    ({"noise_management": "absmax"}, r"noise_management must be one of none, abs_max, .*'absmax'"),
    ({"bound_management": "shift"}, r"bound_management must be one of none, iterative, .*'shift'"),
    ({"mv_type": "ideal"}, r"mv_type must be one of one_pass, .*'ideal'"),
    ({"w_noise_type": "pcm"}, r"w_noise_type must be one of none, .*'pcm'"),
    ({"inp_res": 0.8}, r"inp_res must be a step of at most half the range, .* or -1, got 0.8"),
    ({"out_res": 1.0}, r"out_res must be a step .* got 1.0"),
    ({"out_res": float("nan")}, r"out_res must be a step .* got nan"),
    ({"inp_bound": 2.0}, r"inp_bound must be 1 with noise management, .* got 2.0"),
    ({"out_bound": 0.0}, r"out_bound must be positive, or infinite for no bound, got 0.0"),
    ({"out_bound": np.inf}, r"out_res is a fraction of out_bound, which is infinite: .* -1"),
    ({"out_noise": -0.1}, r"out_noise must be a finite number of at least 0, got -0.1"),
    ({"inp_noise": np.inf}, r"inp_noise must be a finite number of at least 0, got inf"),
    ({"inp_asymmetry": np.nan}, r"inp_asymmetry must lie between -1 and 1, got nan"),
    ({"inp_asymmetry": 2.0}, r"inp_asymmetry must lie between -1 and 1, got 2.0"),
    ({"out_asymmetry": -3.0}, r"out_asymmetry must lie between -1 and 1, got -3.0"),
    ({"v_offset": 1.5}, r"v_offset must lie between -1 and 1, got 1.5"),
    ({"v_offset": jnp.full(4, np.nan)}, r"v_offset must be a finite number, got \[nan"),
    ({"w_read_asymmetry": 0.2}, r"w_read_asymmetry is 0.2, but mv_type is 'one_pass': .*separate"),
    ({"w_read_asymmetry_dtod": 0.3}, r"w_read_asymmetry_dtod is 0.3, but mv_type is 'one_pass'"),
    ({"ir_drop_g_ratio": 0.0}, r"ir_drop_g_ratio must be positive, got 0.0"),
    ({"max_bm_factor": 0}, r"max_bm_factor must be positive, got 0"),
    ({"w_noise": 0.1}, r"w_noise is 0.1, but w_noise_type is 'none'"),
    ({"out_noise": jnp.ones(3)}, r"out_noise must be one number or have shape \(4,\) .*\(3,\)"),
    ({"nm_thres": jnp.ones(3)}, r"nm_thres must be one number, got the shape \(3,\)"),
    ({"v_offset_std": 0.1}, r"v_offset_std is 0.1, a spread .* io.sample\(key, w.shape\)"),
    ({"noise_management": "average_abs_max"}, r"running mean that the caller keeps: .*input_scale"),
]


@pytest.mark.parametrize(("fields", "message"), FIELDS)
@pytest.mark.parametrize("side", ["io", "backward"])
def test_field_out_of_range(fields, message, side):
    if "average_abs_max" in fields.values() and side == "backward":
        message = "backward to 'abs_max', got 'average_abs_max'"
    wrong = AnalogIO(**fields)
    weights = W if side == "io" else W.T
    io, backward = (wrong, None) if side == "io" else (AnalogIO(), wrong)
    with pytest.raises(ValueError, match=message):
        mvm(KEY, jnp.ones((2, weights.shape[0])), weights, io, backward=backward)


@pytest.mark.parametrize(
    ("x", "w"), [((2, 4), (3, 4)), ((3,), (3,)), ((), (3, 4)), ((2, 3), (2, 3, 4))]
)
def test_shapes_that_do_not_fit(x, w):
    with pytest.raises(ValueError, match=r"inputs \(\.\.\., in\) and weights \(in, out\), got"):
        mvm(KEY, jnp.ones(x), jnp.ones(w), AnalogIO())


def test_whole_numbers_are_no_inputs():
    with pytest.raises(TypeError, match="x must be an array of floating-point numbers, got int32"):
        mvm(KEY, jnp.ones((2, 3), jnp.int32), W, AnalogIO())


@pytest.mark.parametrize(
    ("io", "backward", "message"),
    [
        ({"out_noise": 0.1}, None, "^io must be an AnalogIO, got dict"),
        (None, None, "^io must be an AnalogIO, got NoneType"),
        (AnalogIO(), "x", "^backward must be an AnalogIO, got str"),
        (AnalogIO(inp_res="7bit"), None, "inp_res must be a number or an array, got '7bit'"),
        (AnalogIO(is_perfect="no"), None, "is_perfect must be True or False, got 'no'"),
    ],
)
def test_converters_of_another_type(io, backward, message):
    with pytest.raises(TypeError, match=message):
        mvm(KEY, X, W, io, backward=backward)


def test_lines_are_drawn_only_for_arrays_that_fit_and_their_tails_are_read():
    io = AnalogIO(out_noise=jnp.ones(3), out_noise_std=0.1)
    with pytest.raises(ValueError, match=r"out_noise must be one number or have shape \(4,\)"):
        io.sample(KEY, W.shape)
    wide = AnalogIO(v_offset_std=30.0, w_read_asymmetry_dtod=3.0, mv_type="pos_neg_separate")
    drawn = wide.sample(KEY, W.shape)
    assert jnp.max(drawn.v_offset) > 1
    assert jnp.max(drawn.w_read_asymmetry) > 1
    check_io(drawn)


@pytest.mark.parametrize("decay", [5, -0.1, float("nan")])
def test_running_mean_that_would_not_be_one(decay):
    with pytest.raises(ValueError, match=f"decay is the share .* between 0 and 1, got {decay}"):
        running_abs_max(-1.0, X, decay)


def test_noise_without_a_key():
    io = AnalogIO(out_noise=0.1, w_noise=0.0)
    with pytest.raises(ValueError, match=r"needs a PRNG key .* got None with out_noise"):
        mvm(None, X, W, io)


def test_scale_that_is_not_used_or_does_not_fit():
    with pytest.raises(ValueError, match="with 'abs_max' the scale follows from the inputs"):
        mvm(KEY, X, W, AnalogIO(), input_scale=1.0)
    average = AnalogIO(noise_management="average_abs_max")
    with pytest.raises(ValueError, match=r"one for each vector, \(2,\), got shape \(3,\)"):
        mvm(KEY, X, W, average, input_scale=jnp.ones(3))


def test_numbers_that_jax_traces_pass_unseen():
    @jax.jit
    def product(out_noise):
        io = AnalogIO(out_noise=out_noise)
        check_io(io)
        return mvm(KEY, X, W, io)

    assert product(0.1).shape == (2, 4)
