"""Pulse numbers without chance, sample by sample."""

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._apply_counts import PASSES, apply_counts
from analogjax.pulses._lines import Lines
from analogjax.pulses._mesh import on_one_cpu
from analogjax.pulses._sent import Sent
from analogjax.pulses._words import draw_words


def deterministic_implicit(line: Lines) -> jax.Array:
    r"""Signed numbers of one vector pair, :math:`\mathrm{round}(BL\, p_x p_\delta)`."""
    return jnp.rint(line.length * line.outputs() * line.inputs()[:, None])


def mean_count(line: Lines) -> jax.Array:
    r"""As many on a line as on average, then :math:`\mathrm{round}(n_x n_\delta / BL)`."""
    on_x, on_d = (jnp.rint(line.length * p) for p in (line.inputs(), line.outputs()))
    return jnp.rint(on_d * on_x[:, None] / jnp.maximum(line.length, 1.0))


COUNTS = {"deterministic_implicit": deterministic_implicit, "mean_count": mean_count}


def send_deterministic(
    key: jax.Array, device: Device, cells: AnyCells, w, lines: Lines, pulse_type: str
) -> Sent:
    """Sends the pulses of each vector pair in turn; only their noise is random.

    Args:
      key: a PRNG key.
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      lines: what the pulse generators do, ``(batch, in)``, ``(batch, out)``, ``(batch, 1)``.
      pulse_type: one of ``COUNTS``.

    Returns:
      The new weights and the pulses sent.
    """
    shape = jax.tree.leaves(w)[0].shape
    groups = shape[1] // lines.d.shape[1]
    lines = jax.tree.map(lambda part: part.reshape(-1, groups, part.shape[1]), lines)

    def one_sample(carry, inputs):
        w, up, down = carry
        key, line = inputs
        number = jax.vmap(COUNTS[pulse_type], out_axes=1)(line)
        number = number.reshape(shape).astype(jnp.int32)
        ups, downs = jnp.maximum(-number, 0), jnp.maximum(number, 0)
        array = draw_words(key, shape), device, cells, w, ups, downs
        w = on_one_cpu(lambda: apply_counts(*array), elsewhere=lambda: apply_counts(*array, PASSES))
        return (w, up + ups, down + downs), None

    none = jnp.zeros(shape, jnp.int32)
    keys = jax.random.split(key, len(lines.x))
    return Sent.summed(*jax.lax.scan(one_sample, (w, none, none), (keys, lines))[0])
