"""Devices given by any two functions of the weight."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._cells import Cells, is_concrete
from analogjax.devices._mult_noise import MultNoiseDevice
from analogjax.devices._pulsed import Real


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ResponseFunctions(MultNoiseDevice):
    r"""A device whose response factors are two functions of the weight that you write.

    .. math:: \Delta_\uparrow = u\, q_+(w), \qquad \Delta_\downarrow = v\, q_-(w)

    each times :math:`1 + dw_{min,std}\xi`, or, without ``mult_noise``,
    :math:`u (q_+(w) + dw_{min,std}\xi)` and likewise down. The bounds clip the weight as for every
    device; that the functions vanish there is up to you. The other fields are those of
    :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      q_up: function of the weights that gives :math:`q_+`, made of jax.numpy operations; static,
        so that another function means another compilation.
      q_down: function of the weights that gives :math:`q_-`, likewise.
      parameters: numbers passed to both functions after the weights; leaves, so that a training
        can be vmapped over them.
      mult_noise: whether pulse-to-pulse noise scales with the whole step, or with u and v alone.

    Raises:
      ValueError, TypeError: by ``sample``, if a field is out of its range, or a response is no
        function.

    Reference: Wu et al., arXiv:2502.06309, section 2 (generic response functions).

    Example:
      >>> import jax
      >>> from analogjax.devices import ResponseFunctions
      >>> device = ResponseFunctions(
      ...     q_up=lambda w: 1.0 - w**2, q_down=lambda w: 1.0 - w**2, dw_min=0.1, w_max=1, w_min=-1
      ... ).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> w = jax.numpy.full((1, 1), 0.5)
      >>> round(device.apply_pulse(None, cells, w, 1).item(), 3)
      0.575
    """

    q_up: Callable[..., jax.Array] = dataclasses.field(metadata={"static": True})
    q_down: Callable[..., jax.Array] = dataclasses.field(metadata={"static": True})
    parameters: tuple[Real, ...] = ()

    def check_fields(self) -> None:
        """Raises a TypeError if a response is no function."""
        for name in ("q_up", "q_down"):
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"ResponseFunctions.{name} must be a function of the weight, got "
                    f"{getattr(self, name)!r}."
                )
        super().check_fields()

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse."""
        up, down = self.q_up(w, *self.parameters), self.q_down(w, *self.parameters)
        return cells.step_up * up, cells.step_down * down


def power_response(gamma: Real, tau: Real, **fields) -> ResponseFunctions:
    r"""A device of power response, :math:`q_\pm = (1 \mp w/\tau)^\gamma`.

    Args:
      gamma: exponent :math:`\gamma`; 1 is as soft bounds.
      tau: saturation :math:`\tau`, the bounds of the mean device being :math:`\pm\tau`.
      **fields: any other field of :class:`ResponseFunctions`.

    Returns:
      The device, whose ``parameters`` are gamma and tau.

    Raises:
      ValueError: if gamma or tau is not positive.

    Reference: Wu et al., arXiv:2502.06309, equation (144).

    Example:
      >>> import jax
      >>> from analogjax.devices import power_response
      >>> device = power_response(3.0, 1.0).without_variation()
      >>> q_up, q_down = device.response(device.sample(jax.random.key(0), ()), 0.5)
      >>> round(q_up.item(), 3), round(q_down.item(), 3)
      (0.125, 3.375)
    """
    return _saturating(_power_up, _power_down, gamma, tau, fields)


def exponential_response(gamma: Real, tau: Real, **fields) -> ResponseFunctions:
    r"""A device of exponential response, :math:`(e^{\gamma(1 \mp w/\tau)} - 1)/(e^\gamma - 1)`.

    Args:
      gamma: rate :math:`\gamma`; towards 0 it is as soft bounds.
      tau: saturation :math:`\tau`, the bounds of the mean device being :math:`\pm\tau`.
      **fields: any other field of :class:`ResponseFunctions`.

    Returns:
      The device, whose ``parameters`` are gamma and tau.

    Raises:
      ValueError: if gamma or tau is not positive, or gamma above 40, beyond which steps at the
        bounds are too large for float32.

    Reference: Wu et al., arXiv:2502.06309, equation (145).

    Example:
      >>> import jax
      >>> from analogjax.devices import exponential_response
      >>> device = exponential_response(2.0, 0.5).without_variation()
      >>> q_up, q_down = device.response(device.sample(jax.random.key(0), ()), 0.5)
      >>> round(q_up.item(), 3), round(q_down.item(), 3)
      (0.0, 8.389)
    """
    if is_concrete(gamma) and np.any(np.asarray(gamma) > 40):
        raise ValueError(f"gamma must be at most 40, as steps grow with e^(2 gamma), got {gamma}.")
    return _saturating(_exponential_up, _exponential_down, gamma, tau, fields)


def _saturating(q_up, q_down, gamma, tau, fields) -> ResponseFunctions:
    for name, value in (("gamma", gamma), ("tau", tau)):
        if is_concrete(value) and not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name} must be positive, got {value}.")
    own = {"q_up": q_up, "q_down": q_down, "parameters": (gamma, tau), "w_max": tau, "w_min": -tau}
    return ResponseFunctions(**{**own, **fields})


# A crosspoint whose own bound lies beyond tau saturates at tau.
def _power_up(w, gamma, tau):
    return jnp.maximum(1.0 - w / tau, 0.0) ** gamma


def _power_down(w, gamma, tau):
    return _power_up(-w, gamma, tau)


def _exponential_up(w, gamma, tau):
    return jnp.expm1(gamma * jnp.maximum(1.0 - w / tau, 0.0)) / jnp.expm1(gamma)


def _exponential_down(w, gamma, tau):
    return _exponential_up(-w, gamma, tau)
