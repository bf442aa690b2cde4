"""What the converters and the wires of an array are like."""

import dataclasses
from typing import Any, Literal, Self

import jax
import jax.numpy as jnp

from analogjax.devices import draw_normal, is_zero
from analogjax.periphery._check_lines import check_lines

Real = float | jax.Array
MVType = Literal["one_pass", "pos_neg_separate", "pos_neg_separate_digital_sum"]
NoiseManagement = Literal["none", "abs_max", "max", "constant", "average_abs_max", "abs_max_np_sum"]
BoundManagement = Literal["none", "iterative", "iterative_worst_case"]
WeightNoise = Literal["none", "additive_constant", "pcm_read"]


_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class AnalogIO:
    r"""Converters, wires and noise of a matrix-vector product in an array.

    Inputs and outputs at the array are normalised, without unit; weights are normalised
    conductances. :func:`~analogjax.periphery.mvm` says what happens to a vector, step by step. The
    defaults are a 7-bit input and a 9-bit output converter with output noise, inputs scaled to
    their largest, and a second read at half the inputs where an output clips.

    Every number is a leaf of the pytree, so that a product can be vmapped over it; words, booleans
    and ``max_bm_factor`` are static. An effect whose number is known to be zero while JAX traces
    costs nothing, not even a random number; if a whole ``AnalogIO`` is an argument of ``jit``, its
    numbers are not known, and everything is computed. A number of an output line may be an array
    ``(out,)``.

    Attributes:
      is_perfect: whether to leave all of this out but for ``out_scale``.
      mv_type: ``"one_pass"`` for all inputs at once, or negative inputs and positive ones in a pass
        each: ``"pos_neg_separate"``, summed before the output converter, or
        ``"pos_neg_separate_digital_sum"``, summed after it.
      inp_bound: largest input at the array; 1 with noise management.
      inp_res: step of the input converter as a fraction of its range, or above 1 the number of
        steps; at most 0 for none.
      inp_sto_round: whether the input converter rounds at random, without bias.
      inp_noise: standard deviation of the noise of each input.
      inp_asymmetry: share that is lost of a negative input, from -1, which doubles it, to 1.
      out_bound: largest output of the array; infinite for none.
      out_res: step of the output converter, as that of the input converter.
      out_sto_round: whether the output converter rounds at random, without bias.
      out_noise: standard deviation of the noise of each output.
      out_noise_std: relative spread of ``out_noise`` over output lines.
      out_asymmetry: share that is lost of a negative output, likewise.
      out_scale: a factor on the result.
      out_nonlinearity: how much outputs bend: 1 halves one at the bound.
      out_nonlinearity_std: relative spread of ``out_nonlinearity`` over output lines.
      slope_calibration: where the slope of the bent output is 1 again, as a fraction of
        ``out_bound``; 0 for no calibration.
      r_series: series resistance of an output line, as a fraction of its total current.
      v_offset: relative offset of the read voltage, from -1 to 1.
      v_offset_std: spread of ``v_offset`` over output lines, of which only the positive half is
        used.
      v_offset_w_min: weight of a device at its lowest conductance, which sets the current of the
        reference; 0 for no reference.
      w_noise: standard deviation of the noise of the weights at a read.
      w_noise_type: ``"none"``, ``"additive_constant"`` for noise of the same size in all weights,
        or ``"pcm_read"`` for noise that grows with the square root of the weight.
      w_read_asymmetry: share that is lost of a weight under negative inputs, from -1 to 1; they
        need a pass of their own.
      w_read_asymmetry_dtod: spread of ``w_read_asymmetry`` over crosspoints.
      ir_drop: strength of the voltage drop along the wires; 1 for the physical one, 0 for none.
      ir_drop_g_ratio: conductance of the wire between two crosspoints, in units of the largest
        conductance of a device; the default is of 0.35 Ohm and 5 uS.
      noise_management: what inputs are divided by: ``"none"``; ``"abs_max"``, the largest size;
        ``"max"``, the largest; ``"constant"``, ``nm_thres``; ``"abs_max_np_sum"``, a worst case;
        ``"average_abs_max"``, what :func:`~analogjax.periphery.running_abs_max` gives.
      nm_thres: the constant, or the most that ``"abs_max"``, ``"max"`` and ``"abs_max_np_sum"``
        take for the largest; 0 for no limit.
      bound_management: ``"iterative"`` halves the inputs until no output clips;
        ``"iterative_worst_case"`` takes the scale of ``"abs_max_np_sum"`` at the second pass and
        halves from there; ``"none"``.
      max_bm_factor: the inputs are halved no more once they are divided by more than this,
      max_bm_res: or once a step of the input converter is more than this of the largest input.

    Raises:
      TypeError: by ``mvm`` and ``check_io``, if a field is no number, array or word.
      ValueError: by ``mvm`` and ``check_io``, if a field is out of its range, has no effect with
        the others, or is an unknown word; by ``mvm`` and ``sample``, if an array does not fit.

    Reference: Rasch et al., "A flexible and fast PyTorch toolkit for simulating training and
    inference on analog crossbar arrays", AICAS (2021), arXiv:2104.02184, whose names and defaults
    these are; Gokmen, Onen, Haensch, "Training deep convolutional neural networks with resistive
    cross-point devices", Front. Neurosci. 11:538 (2017), for noise and bound management.

    Example:
      >>> import dataclasses
      >>> from analogjax.periphery import AnalogIO
      >>> io = AnalogIO(out_noise=0.0, w_noise=0.01, w_noise_type="additive_constant")
      >>> dataclasses.replace(io, bound_management="none").inp_bound
      1.0
    """

    is_perfect: bool = dataclasses.field(default=False, metadata=_STATIC)
    mv_type: MVType = dataclasses.field(default="one_pass", metadata=_STATIC)
    inp_bound: Real = 1.0
    inp_res: Real = 1 / (2**7 - 2)
    inp_sto_round: bool = dataclasses.field(default=False, metadata=_STATIC)
    inp_noise: Real = 0.0
    inp_asymmetry: Real = 0.0
    out_bound: Real = 12.0
    out_res: Real = 1 / (2**9 - 2)
    out_sto_round: bool = dataclasses.field(default=False, metadata=_STATIC)
    out_noise: Real = 0.06
    out_noise_std: Real = 0.0
    out_asymmetry: Real = 0.0
    out_scale: Real = 1.0
    out_nonlinearity: Real = 0.0
    out_nonlinearity_std: Real = 0.0
    slope_calibration: Real = 0.0
    r_series: Real = 0.0
    v_offset: Real = 0.0
    v_offset_std: Real = 0.0
    v_offset_w_min: Real = -1.0
    w_noise: Real = 0.0
    w_noise_type: WeightNoise = dataclasses.field(default="none", metadata=_STATIC)
    w_read_asymmetry: Real = 0.0
    w_read_asymmetry_dtod: Real = 0.0
    ir_drop: Real = 0.0
    ir_drop_g_ratio: Real = 1 / 0.35 / 5e-6
    noise_management: NoiseManagement = dataclasses.field(default="abs_max", metadata=_STATIC)
    nm_thres: Real = 0.0
    bound_management: BoundManagement = dataclasses.field(default="iterative", metadata=_STATIC)
    max_bm_factor: int = dataclasses.field(default=1000, metadata=_STATIC)
    max_bm_res: Real = 0.25

    @classmethod
    def perfect(cls, **fields) -> Self:
        """Reads without any error: a plain matrix product.

        Example:
          >>> import jax.numpy as jnp
          >>> from analogjax.periphery import AnalogIO, mvm
          >>> mvm(None, jnp.array([1.0, 2.0]), jnp.ones((2, 1)), AnalogIO.perfect()).tolist()
          [3.0]
        """
        return cls(is_perfect=True, **fields)

    @property
    def is_random(self) -> bool:
        """Whether a read draws random numbers, so that it needs a key.

        Example:
          >>> from analogjax.periphery import AnalogIO
          >>> AnalogIO().is_random, AnalogIO(out_noise=0.0).is_random
          (True, False)
        """
        silent = is_zero(self.inp_noise) and is_zero(self.out_noise) and is_zero(self.w_noise)
        rounds_at_random = self.inp_sto_round or self.out_sto_round
        return not self.is_perfect and (rounds_at_random or not silent)

    def sample(self, key: jax.Array, shape: tuple[int, int]) -> Self:
        r"""The converters and wires of one array, drawn once and kept.

        .. math::
          out\_noise_i &= |out\_noise (1 + out\_noise_{std} \xi)|, \qquad
          v_i = v\_offset + \max(v\_offset_{std} \xi, 0) \\
          \nu_i &= |out\_nonlinearity (1 + out\_nonlinearity_{std} \xi)|, \qquad
          f_{ji} = w\_read\_asymmetry + w\_read\_asymmetry_{dtod}\, \xi

        Args:
          key: a PRNG key.
          shape: of the weights, ``(in, out)``.

        Returns:
          The same converters, with a number for each output line or crosspoint where there is a
          spread, and without any spread.

        Raises:
          ValueError: if a field is an array that does not fit weights of ``shape``.

        Example:
          >>> import jax
          >>> from analogjax.periphery import AnalogIO
          >>> io = AnalogIO(out_noise_std=0.3).sample(jax.random.key(0), (4, 3))
          >>> io.out_noise.shape, io.out_noise_std
          ((3,), 0.0)
        """

        def xi(number: int, shape):
            return draw_normal(jax.random.fold_in(key, number), shape)

        check_lines(self, shape)
        lines = shape[1:]
        drawn: dict[str, Any] = dict.fromkeys(SPREADS, 0.0)
        if not is_zero(self.out_noise_std):
            drawn["out_noise"] = jnp.abs(self.out_noise * (1 + self.out_noise_std * xi(0, lines)))
        if not is_zero(self.v_offset_std):
            drawn["v_offset"] = self.v_offset + jnp.maximum(self.v_offset_std * xi(1, lines), 0)
        if not is_zero(self.out_nonlinearity_std):
            drawn["out_nonlinearity"] = jnp.abs(
                self.out_nonlinearity * (1 + self.out_nonlinearity_std * xi(2, lines))
            )
        if not is_zero(self.w_read_asymmetry_dtod):
            spread = self.w_read_asymmetry_dtod * xi(3, shape)
            drawn["w_read_asymmetry"] = self.w_read_asymmetry + spread
        return dataclasses.replace(self, **drawn)


SPREADS = ("out_noise_std", "v_offset_std", "out_nonlinearity_std", "w_read_asymmetry_dtod")
