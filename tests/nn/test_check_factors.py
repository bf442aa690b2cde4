"""Losses whose factors are those of another gradient, and what says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from layers import nonlinear
from test_shared_linen import MODELS, XS

from analogjax.nn import linen as ann
from analogjax.rules import check_factors

X = jax.random.normal(jax.random.key(2), (4, 3))


class Tied(nn.Module):
    """An encoder whose kernel, transposed, decodes."""

    @nn.compact
    def __call__(self, x):
        encoder = ann.Dense(2, use_bias=False, name="encoder")
        return nn.tanh(encoder(x)) @ encoder.variables["params"]["kernel"].T


def of_two_applies(model, variables):
    return nonlinear(model.apply(variables, X)) + nonlinear(model.apply(variables, 2 * X))


def in_a_loop(model, variables):
    return jnp.sum(jax.lax.map(lambda x: nonlinear(model.apply(variables, x)), jnp.stack([X, -X])))


def with_a_penalty(model, variables):
    norms = jax.tree.map(jnp.vdot, variables["params"], variables["params"])
    return nonlinear(model.apply(variables, X)) + sum(jax.tree.leaves(norms))


def of_scaled_weights(model, variables):
    params = jax.tree.map(lambda p: 2 * p, variables["params"])
    return nonlinear(model.apply({**variables, "params": params}, X))


def of_slopes(model, variables):
    return nonlinear(jax.grad(lambda x: nonlinear(model.apply(variables, x)))(X))


def without_taps(model, variables):
    return nonlinear(model.apply({"params": variables["params"]}, X))


def plain(model, variables):
    return nonlinear(model.apply(variables, X))


def grads_and_factors(model, loss, x=X):
    @jax.jit
    def both(key):
        def loss_of(params, taps):
            return loss(model, {"params": params, "taps": taps})

        params = model.init(key, x)["params"]
        taps = ann.taps(model, {"params": params}, x)
        return jax.grad(loss_of, argnums=(0, 1))(params, taps)

    return both(jax.random.key(0))


DENSE = nn.Sequential([ann.Dense(5), nn.tanh, ann.Dense(3)])


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (Tied(), plain),
        (DENSE, of_two_applies),
        (DENSE, in_a_loop),
        (DENSE, with_a_penalty),
        (DENSE, of_scaled_weights),
        (DENSE, of_slopes),
        (DENSE, without_taps),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_factors_of_another_gradient_are_told_from_its_own(model, loss):
    check_factors(*grads_and_factors(DENSE, plain))
    with pytest.raises(ValueError, match=r"kernel' sum to something else than its gradient, by"):
        check_factors(*grads_and_factors(model, loss))


@pytest.mark.parametrize("name", ["setup", "remat_of_scan_of_remat_of_two_uses", "vmap"])
def test_kernels_used_many_times_pass(name):
    model, *_ = MODELS[name]
    check_factors(
        *grads_and_factors(model, lambda m, variables: nonlinear(m.apply(variables, XS)), XS)
    )


def test_groups_bfloat16_and_gradients_that_nearly_cancel_pass():
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 4))
    conv = ann.Conv(6, (3, 2), feature_group_count=2, dtype=jnp.bfloat16)
    check_factors(*grads_and_factors(conv, lambda m, v: nonlinear(m.apply(v, x)), x))
    x = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    d = np.concatenate([np.ones((32, 1)), -np.ones((32, 1))]).astype(np.float32)
    x[32:] = x[:32]
    rounded = jnp.asarray(x[::2]).T @ d[::2] + jnp.asarray(x[1::2]).T @ d[1::2] + 1e-6
    check_factors({"kernel": rounded}, {"kernel": (x, d)})


def test_nan_is_no_agreement():
    grads, factors = {"kernel": jnp.full((2, 3), jnp.nan)}, {"kernel": (X[:, :2], X)}
    with pytest.raises(ValueError, match="by nan %"):
        check_factors(grads, factors)


def test_what_does_not_fit_is_refused():
    grads, factors = {"kernel": jnp.ones((2, 3))}, {"kernel": (X[:, :2], X)}
    with pytest.raises(ValueError, match="factors of 'taps/kernel', but no gradient of it"):
        check_factors(grads, {"taps": factors})
    with pytest.raises(TypeError, match="call it outside of jit"):
        jax.jit(check_factors)(grads, factors)
    with pytest.raises(ValueError, match=r"have shapes \(4, 3\) and \(4, 3\)"):
        check_factors(grads, {"kernel": (X, X)})
