"""Batch statistics are those of the calibration batches, whatever they were before."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from analogjax.inference import recalibrate, recalibrate_nnx

BATCHES = 3.0 + 2.0 * jax.random.normal(jax.random.key(0), (3, 64, 5))


class Net(nn.Module):
    """Two layers whose statistics run at different momenta, the second seeing the first's."""

    @nn.compact
    def __call__(self, x, train):
        for momentum in (0.99, 0.5):
            x = nn.Dense(4)(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=momentum)(x)
        return x


VARIABLES = Net().init(jax.random.key(1), BATCHES[0], train=False)


def drifted(scale):
    """The network with all kernels faded to a share."""
    params = jax.tree.map(lambda w: scale * w if w.ndim > 1 else w, VARIABLES["params"])
    return {**VARIABLES, "params": params}


def test_statistics_become_the_mean_over_the_batches():
    stats = recalibrate(Net(), VARIABLES, BATCHES, train=True)
    params = VARIABLES["params"]
    x = np.asarray(BATCHES)
    for n in range(2):
        layer = params[f"Dense_{n}"]
        x = x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
        mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        own = stats[f"BatchNorm_{n}"]
        np.testing.assert_allclose(own["mean"], mean.mean(0)[0], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(own["var"], var.mean(0)[0], rtol=1e-3)
        x = (x - mean) / np.sqrt(var + 1e-5)


def test_statistics_of_faded_weights_restore_the_outputs():
    healthy = {**VARIABLES, "batch_stats": recalibrate(Net(), VARIABLES, BATCHES, train=True)}
    faded = {**drifted(0.5), "batch_stats": healthy["batch_stats"]}
    restored = {**faded, "batch_stats": recalibrate(Net(), faded, BATCHES, train=True)}
    y, worse, again = (Net().apply(v, BATCHES[0], train=False) for v in (healthy, faded, restored))
    assert jnp.abs(worse - y).max() > 0.5
    np.testing.assert_allclose(again, y, atol=0.01)


def test_old_statistics_leave_no_trace_and_jit_changes_nothing():
    old = jax.tree.map(lambda s: s + 100.0, VARIABLES["batch_stats"])
    spoilt = {**VARIABLES, "batch_stats": old}
    clean, other = (recalibrate(Net(), v, BATCHES, train=True) for v in (VARIABLES, spoilt))
    jax.tree.map(np.testing.assert_array_equal, clean, other)
    jitted = jax.jit(lambda v: recalibrate(Net(), v, BATCHES, train=True))(VARIABLES)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), clean, jitted)


def test_nnx_gives_the_same_and_keeps_its_modes():
    model = nnx.Sequential(
        nnx.Linear(5, 4, rngs=nnx.Rngs(0)), nnx.BatchNorm(4, rngs=nnx.Rngs(0), momentum=0.9)
    )
    model.eval()
    recalibrate_nnx(model, BATCHES)
    norm = model.layers[1]
    assert norm.use_running_average
    assert norm.momentum == 0.9
    y = np.asarray(model.layers[0](BATCHES))
    np.testing.assert_allclose(norm.mean[...], y.mean((0, 1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.var[...], y.var(1).mean(0), rtol=1e-4)


def test_nothing_to_recalibrate():
    with pytest.raises(ValueError, match="no batch_stats: there is nothing to recalibrate"):
        recalibrate(Net(), {"params": VARIABLES["params"]}, BATCHES, train=True)
    with pytest.raises(ValueError, match=r"no nnx.BatchNorm: there is nothing"):
        recalibrate_nnx(nnx.Linear(5, 4, rngs=nnx.Rngs(0)), BATCHES)
    with pytest.raises(ValueError, match=r"\(batches, batch, ...\), got \(0, 64, 5\)"):
        recalibrate(Net(), VARIABLES, BATCHES[:0], train=True)
    with pytest.raises(ValueError, match="give the argument with which the model trains"):
        recalibrate(Net(), VARIABLES, BATCHES, train=False)
    model = nnx.BatchNorm(5, rngs=nnx.Rngs(0))
    for lone in (BATCHES[0], BATCHES[0, :, None]):  # A forgotten axis; batches of one sample.
        with pytest.raises(ValueError, match=r"variances of 'BatchNorm_0/var' are 0: .* several"):
            recalibrate(Net(), VARIABLES, lone, train=True)
        with pytest.raises(ValueError, match=r"variances of an nnx.BatchNorm of 5 features are 0"):
            recalibrate_nnx(model, lone)


class Deaf(nnx.Module):
    """A model whose call says again what the attribute of its layer says."""

    def __init__(self):
        self.norm = nnx.BatchNorm(5, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.norm(x, use_running_average=True)


def test_a_layer_that_a_pass_does_not_update_keeps_its_statistics():
    model = Deaf()
    with pytest.raises(ValueError, match="did not update the batch statistics: let the call"):
        recalibrate_nnx(model, BATCHES)
    np.testing.assert_array_equal(model.norm.mean[...], np.zeros(5))
    np.testing.assert_array_equal(model.norm.var[...], np.ones(5))


def test_nothing_of_broken_statistics_is_left():
    model = nnx.BatchNorm(5, rngs=nnx.Rngs(0))
    model.mean[...] = jnp.full(5, jnp.nan)
    recalibrate_nnx(model, BATCHES)
    np.testing.assert_allclose(model.mean[...], BATCHES.mean((0, 1)), rtol=1e-5)


class Spectral(nn.Module):
    """A layer of bounded norm, whose state flax keeps beside the statistics, before one of them."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.SpectralNorm(nn.Dense(3))(x, update_stats=train)
        return nn.BatchNorm(use_running_average=not train)(x)


def test_the_state_of_a_spectral_norm_stays_as_it_is():
    model = Spectral()
    variables = model.init(jax.random.key(0), BATCHES[0], train=False)
    _, trained = model.apply(variables, BATCHES[0], train=True, mutable=["batch_stats"])
    stats = recalibrate(model, {**variables, **trained}, BATCHES, train=True)
    before = trained["batch_stats"]["SpectralNorm_0"]
    jax.tree.map(np.testing.assert_array_equal, stats["SpectralNorm_0"], before)
    assert float(jnp.abs(stats["BatchNorm_0"]["mean"]).max()) > 0.1
