"""The product as a whole: its passes, its derivatives, and its place under transformations."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.periphery import AnalogIO, mvm
from analogjax.periphery import _mvm as module

KEY = jax.random.key(4)
X = jax.random.normal(jax.random.key(5), (6, 16))
W = 0.3 * jax.random.normal(jax.random.key(6), (16, 4))
D = jax.random.normal(jax.random.key(7), (6, 4))
LOW = AnalogIO(out_bound=0.7)  # Some outputs clip at first.
QUIET = dataclasses.replace(LOW, out_noise=0.0)
ONE_PASS = AnalogIO(bound_management="none")
PERFECT = AnalogIO.perfect()


def gradients(io, backward, x=X, w=W, key=KEY):
    return jax.vjp(lambda x, w: mvm(key, x, w, io, backward=backward), x, w)[1](D.astype(x.dtype))


def test_perfect_product_compiles_to_a_plain_one():
    compiled = [
        jax.jit(product).lower(X, W).compile().as_text()
        for product in (lambda x, w: mvm(KEY, x, w, PERFECT), lambda x, w: x @ w)
    ]
    operations = [
        sorted(line.split("=")[1].split("(")[0].split()[-1] for line in text.splitlines()
               if " = " in line) for text in compiled
    ]  # fmt: skip
    assert operations[0] == operations[1]
    jaxpr = str(jax.make_jaxpr(lambda x, w: mvm(KEY, x, w, PERFECT))(X, W))
    assert jaxpr.count("dot_general") == 1
    for word in ("random", "threefry", "clamp", "round", "max", "while"):
        assert word not in jaxpr


def test_perfect_product_and_its_gradients_are_those_of_a_plain_one():
    np.testing.assert_array_equal(mvm(KEY, X, W, PERFECT), X @ W)
    plain = jax.vjp(lambda x, w: x @ w, X, W)[1](D)
    for backward in (None, PERFECT):
        for own, wanted in zip(gradients(PERFECT, backward), plain, strict=True):
            np.testing.assert_allclose(own, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("io", "products", "absent"),
    [
        (AnalogIO(out_noise=0.0, bound_management="none"), 1, ("random", "log", "while")),
        (AnalogIO(), 2, ()),  # The first pass, and the others.
        (AnalogIO(out_res=-1, inp_res=-1), 2, ("round",)),
    ],
)
def test_what_is_known_to_be_zero_leaves_no_trace(io, products, absent):
    jaxpr = str(jax.make_jaxpr(lambda x, w: mvm(KEY, x, w, io))(X, W))
    assert jaxpr.count("dot_general") == products
    assert not [word for word in absent if word in jaxpr]


def by_hand(x, w, io, scale):
    """The outputs of the first pass without a clipped one, of one vector, in plain NumPy.

    In float32, since at rho = 2 the largest input lies in the middle between two steps.
    """
    rho, step = 1.0, np.float32(2 * io.inp_res)
    while True:
        scaled = np.float32(x) * (1 / np.float32(scale) / np.float32(rho))
        inputs = np.clip(step * np.rint(scaled / step), -1, 1)
        out_step = 2 * io.out_bound * io.out_res
        z = out_step * np.rint(inputs @ w / out_step)
        last = int(rho) > io.max_bm_factor or rho > io.max_bm_res / step
        if np.all(abs(z) <= io.out_bound) or last:
            return scale * rho * np.clip(z, -io.out_bound, io.out_bound), rho
        rho *= 2


@pytest.mark.parametrize("out_bound", [0.7, 0.05])
def test_each_vector_is_read_until_it_fits(out_bound):
    io = dataclasses.replace(QUIET, out_bound=out_bound)
    x, w = np.asarray(X, float), np.asarray(W, float)
    rows = [by_hand(row, w, io, abs(row).max()) for row in x]
    y = mvm(KEY, X, W, io)
    np.testing.assert_allclose(y, [row for row, _ in rows], rtol=1e-4, atol=1e-5)
    factors = {rho for _, rho in rows}
    assert factors >= {1.0, 2.0} if out_bound == 0.7 else factors == {16.0}
    # A vector alone is read as it is among others.
    np.testing.assert_array_equal(mvm(KEY, X[2], W, io), y[2])


def test_worst_case_begins_again_from_the_sum_of_the_inputs():
    io = dataclasses.replace(QUIET, bound_management="iterative_worst_case")
    y = mvm(KEY, X, W, io)
    x, w = np.asarray(X, float), np.asarray(W, float)
    for row, own in zip(x, y, strict=True):
        largest = abs(row).max()
        sums = max(row[row > 0].sum(), -row[row < 0].sum()) * 0.6 / io.out_bound
        first, rho = by_hand(row, w, io, largest)
        if rho > 1:
            first, _ = by_hand(row, w, io, max(largest, min(sums, 0.25 * 63 * largest)))
        np.testing.assert_allclose(own, first, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "managed",
    [{"noise_management": "abs_max_np_sum"}, {"bound_management": "iterative_worst_case"}],
)
def test_the_worst_case_counts_on_the_smallest_bound_of_all_lines(managed):
    io = dataclasses.replace(QUIET, bound_management="none", inp_res=-1, out_res=-1)
    io = dataclasses.replace(io, **managed)
    bounds = jnp.linspace(0.5, 0.9, W.shape[1])
    y = mvm(KEY, 0.1 * X, W, dataclasses.replace(io, out_bound=bounds))
    np.testing.assert_allclose(y, 0.1 * X @ W, rtol=1e-4, atol=1e-5)


def test_every_pass_has_noise_of_its_own():
    # Without steps, an output is the product plus the noise of the last pass, times its factor.
    io = AnalogIO(inp_res=-1, out_res=-1, out_noise=0.01, out_bound=0.5, max_bm_factor=1)
    one = dataclasses.replace(io, bound_management="none", out_bound=np.inf)
    x, w = jnp.ones((4000, 2)), jnp.full((2, 1), 0.4)  # 0.8: clips in the first pass, not the next
    first, second = (np.asarray(mvm(KEY, x, w, own) - 0.8)[:, 0] for own in (one, io))
    np.testing.assert_allclose([first.std(), second.std()], [0.01, 0.02], rtol=0.06)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(4000)


def test_vector_of_zeros_gives_zeros_and_nan_gives_nan():
    y = mvm(KEY, X.at[0].set(0.0).at[1, 3].set(jnp.nan), W, LOW)
    assert not y[0].any()
    assert jnp.isnan(y[1]).all()
    assert jnp.isfinite(y[2:]).all()
    noisy = dataclasses.replace(LOW, inp_noise=0.1)
    assert mvm(KEY, jnp.zeros((1, 16)), W, noisy).any()


def test_exact_derivatives_are_those_of_the_perfect_product():
    io = dataclasses.replace(LOW, out_scale=1.5)
    x, w = gradients(io, None)
    np.testing.assert_allclose(x, 1.5 * D @ W.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(w, 1.5 * X.T @ D, rtol=1e-5, atol=1e-6)


def test_backward_product_is_that_of_the_transposed_array_without_bound_management():
    x, w = gradients(PERFECT, QUIET)
    one_way = dataclasses.replace(QUIET, bound_management="none")
    np.testing.assert_array_equal(x, mvm(KEY, D, W.T, one_way))
    managed = mvm(KEY, D, W.T, QUIET)
    assert np.max(abs(x - managed)) > 0.1
    np.testing.assert_allclose(w, X.T @ D, rtol=1e-5, atol=1e-6)


def test_backward_noise_is_not_the_forward_noise():
    square = 0.0 * jnp.ones((4000, 1)) + 1e-9
    io = AnalogIO(noise_management="none", bound_management="none", out_res=-1, out_noise=1.0)
    y, pull = jax.vjp(lambda x: mvm(KEY, x, jnp.ones((1, 1)), io, backward=io), square)
    (back,) = pull(square)
    np.testing.assert_allclose([y.std(), back.std()], 1, rtol=0.06)
    assert abs(np.corrcoef(y[:, 0], back[:, 0])[0, 1]) < 4.5 / np.sqrt(4000)


def test_backward_converters_may_be_drawn_for_lines_of_their_own():
    io = AnalogIO(out_noise_std=0.5)
    back = io.sample(jax.random.key(1), W.T.shape)
    assert back.out_noise.shape == (16,)
    assert all(jnp.isfinite(part).all() for part in gradients(PERFECT, back))


def test_leading_dimensions_are_vectors_in_order():
    np.testing.assert_array_equal(
        mvm(KEY, X.reshape(2, 3, 16), W, LOW).reshape(6, 4), mvm(KEY, X, W, LOW)
    )
    gradient = jax.grad(lambda w: mvm(KEY, X.reshape(2, 3, 16), w, LOW).sum())(W)
    np.testing.assert_allclose(gradient, X.T @ jnp.ones((6, 4)), rtol=1e-5, atol=1e-6)


def test_jit_scan_and_remat_change_nothing():
    def loss(x, w, key):
        return jnp.sum(jnp.sin(mvm(key, x, w, LOW, backward=LOW)))

    def value_and_gradients(loss, key):
        return jax.value_and_grad(loss, argnums=(0, 1))(X, W, key)

    def step(carry, key):
        return carry, value_and_gradients(jax.checkpoint(loss), key)

    keys = jax.random.split(KEY, 3)
    _, steps = jax.jit(lambda: jax.lax.scan(step, None, keys))()
    for n, key in enumerate(keys):
        jax.tree.map(
            lambda a, b, n=n: np.testing.assert_allclose(a[n], b, rtol=1e-5, atol=1e-5),
            steps,
            value_and_gradients(loss, key),
        )


def test_vmap_over_keys_inputs_weights_and_converters():
    keys, xs, ws = jax.random.split(KEY, 2), jnp.stack([X, 2 * X]), jnp.stack([W, -W])
    many = jax.vmap(mvm, in_axes=(0, 0, 0, None))(keys, xs, ws, LOW)
    alone = [mvm(*parts, LOW) for parts in zip(keys, xs, ws, strict=True)]
    np.testing.assert_allclose(many, alone, rtol=1e-5, atol=1e-6)

    def noisy(out_noise):
        return mvm(KEY, X, W, dataclasses.replace(LOW, out_noise=out_noise))

    swept = jax.vmap(noisy)(jnp.array([0.0, 0.1]))
    np.testing.assert_allclose(swept[0], mvm(KEY, X, W, QUIET), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(swept[1], noisy(0.1), rtol=1e-5, atol=1e-6)


def test_converters_as_an_argument_of_jit_give_the_same_numbers():
    full = AnalogIO(
        inp_noise=0.1, ir_drop=1.0, v_offset=0.1, r_series=0.1, w_noise=0.1, out_bound=2.0,
        w_noise_type="pcm_read", out_nonlinearity=0.3, slope_calibration=0.5, inp_asymmetry=0.1,
        bound_management="none",
    )  # fmt: skip
    for io in (full, AnalogIO(inp_res=-1, out_res=-1, bound_management="none")):
        traced = jax.jit(mvm)(KEY, X, W, io)
        # IR drop of zero and the like, computed all the same, may move a value across a step.
        assert np.mean(abs(traced - mvm(KEY, X, W, io)) > 1e-5) <= 0.05


def test_changing_a_number_does_not_compile_anew():
    product = jax.jit(functools.partial(mvm, KEY, X, W))
    before = module._analog._cache_size()
    for noise in (0.03, 0.04):
        product(AnalogIO(out_noise=noise, out_bound=noise * 100))
    assert product._cache_size() == 1
    for noise in (0.03, 0.04):  # Nor does a call outside of jit.
        mvm(KEY, X, W, AnalogIO(out_noise=noise, out_bound=noise * 100))
    assert module._analog._cache_size() <= before + 1


@pytest.mark.parametrize("io", [ONE_PASS, PERFECT])
def test_bfloat16_inputs_are_computed_in_float32(io):
    x = X.astype(jnp.bfloat16)
    y = mvm(KEY, x, W, io)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, mvm(KEY, x.astype(jnp.float32), W, io).astype(jnp.bfloat16))
    gradient = gradients(io, io, x, W.astype(jnp.bfloat16))
    assert [part.dtype for part in gradient] == [jnp.bfloat16, jnp.bfloat16]


def test_same_key_same_numbers_and_another_key_others():
    np.testing.assert_array_equal(mvm(KEY, X, W, LOW), mvm(KEY, X, W, LOW))
    assert (mvm(KEY, X, W, LOW) != mvm(jax.random.key(99), X, W, LOW)).any()


def test_scales_of_the_output_lines_have_the_derivatives_of_the_scaled_product():
    scales = jnp.array([1.0, 10.0, 0.5, -2.0])
    io = AnalogIO(out_noise=0.0, out_res=-1, inp_res=-1, out_bound=np.inf, out_scale=scales)
    wanted = jax.vjp(lambda x, w: (x @ w) * scales, X, W)[1](D)
    for found, exact in zip(gradients(io, None), wanted, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"out_scale must be one number or have shape \(4,\)"):
        mvm(None, X, W, dataclasses.replace(io, out_scale=jnp.ones(3)))


@pytest.mark.parametrize(
    ("io", "scale"),
    [
        (AnalogIO(noise_management="average_abs_max"), 0.5),
        (AnalogIO(bound_management="iterative_worst_case", out_bound=np.float64(0.2)), None),
    ],
)
def test_wide_numbers_around_it_change_nothing(io, scale):
    narrow = mvm(KEY, X, W, io, input_scale=scale)
    with jax.enable_x64(True):
        wide = mvm(KEY, X, W, io, input_scale=scale)
    assert wide.dtype == jnp.float32
    assert wide.shape == narrow.shape
