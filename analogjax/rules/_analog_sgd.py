"""Stochastic gradient descent in pulses on one array."""

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import Device
from analogjax.pulses import BatchedPulses, PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import device_list, pulse_scheme
from analogjax.rules._readout import Readout
from analogjax.rules._transfer_chain import TransferChain


def analog_sgd(
    learning_rate: optax.ScalarOrSchedule,
    device: Device,
    *,
    key: jax.Array | int,
    pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Analog SGD: the array itself takes every sample's gradient, in pulses.

    .. math:: W \leftarrow \mathrm{pulse}(W, -\alpha\,\delta x^T) \quad\text{for each sample}

    On average W moves by :math:`\Delta\odot F(W) - |\Delta|\odot G(W)`: the asymmetry G pulls it
    to the symmetric point wherever the gradient is noisy, so that it stalls above the minimum by
    an amount that grows with the step size and shrinks with the number of states.

    Args:
      learning_rate: weight change per unit of gradient, a number or a schedule of the step count;
        in pulses, ``learning_rate * |x d| / device.granularity`` a crosspoint and sample.
      device: what the crosspoints are made of.
      key: PRNG key or seed of all crosspoints and pulses.
      pulses: pulse scheme; :class:`~analogjax.pulses.BatchedPulses` by default.

    Returns:
      An optax gradient transformation. Pass ``factors=`` to ``update`` to simulate the pulses of
      every sample: they are sent in the place of the gradient, whatever a transformation before
      has made of that. With gradients alone the pulses of the mini-batch's *sum* are sent, in which
      up and down have already cancelled: that is faster and flatters the device.

    Raises:
      ValueError: if the learning rate is negative or not finite, a device field out of range, a
        parameter not a matrix, or factors or state do not fit. A learning rate that a schedule
        gives is seen by ``update`` outside of ``jit``; inside, and where any number that is out of
        its range is traced (swept by ``vmap``, say), the updates are NaN.
      TypeError: if an argument is of another kind.

    Reference: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); Wu et al., arXiv:2406.12774.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> device = SoftBounds.with_states(1000).without_variation()
      >>> rule = analogjax.analog_sgd(0.1, device, key=0)
      >>> params = {"kernel": jnp.full((2, 2), 0.5)}
      >>> @jax.jit
      ... def step(params, state):
      ...     grads = jax.grad(lambda p: 0.5 * (p["kernel"] ** 2).sum())(params)
      ...     updates, state = rule.update(grads, state, params)
      ...     return optax.apply_updates(params, updates), state
      >>> state = rule.init(params)
      >>> for _ in range(50):
      ...     params, state = step(params, state)
      >>> bool(jnp.abs(params["kernel"]).max() < 0.02)
      True
    """
    rule = TransferChain(
        devices=device_list(device, 1),
        scales=jnp.ones(1),
        periods=(),
        rates=(),
        scale_rates=False,
        readout=Readout(),
        pulses=pulse_scheme("pulses", pulses),
        transfer_pulses=BatchedPulses(),
    )
    return analog_transformation(learning_rate, rule, key=key)
