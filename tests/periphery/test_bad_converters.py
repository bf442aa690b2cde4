"""Wrong settings and arguments get one clear error, which names the value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.periphery import AnalogIO, check_io, mvm

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
    ({"inp_asymmetry": np.nan}, r"inp_asymmetry must be a finite number, got nan"),
    ({"ir_drop_g_ratio": 0.0}, r"ir_drop_g_ratio must be positive, got 0.0"),
    ({"max_bm_factor": 0}, r"max_bm_factor must be positive, got 0"),
    ({"w_noise": 0.1}, r"w_noise is 0.1, but w_noise_type is 'none'"),
    ({"out_noise": jnp.ones(3)}, r"out_noise must be one number or have shape \(4,\) .*\(3,\)"),
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


def test_converters_of_another_type():
    with pytest.raises(TypeError, match="io must be an AnalogIO, got dict"):
        mvm(KEY, X, W, {"out_noise": 0.1})


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
