"""The check of numbers that differ from line to line, or from crosspoint to crosspoint."""

import jax.numpy as jnp

# What may differ from output line to output line.
_OF_LINES = (
    "out_asymmetry",
    "out_bound",
    "out_noise",
    "out_nonlinearity",
    "out_res",
    "out_scale",
    "r_series",
    "slope_calibration",
    "v_offset",
)


def check_lines(io, shape: tuple[int, ...]) -> None:
    """Raises a ValueError if an array of ``io`` does not fit weights of a shape ``(in, out)``."""
    lines = shape[1:]
    for name, own in {**dict.fromkeys(_OF_LINES, lines), "w_read_asymmetry": shape}.items():
        if jnp.shape(getattr(io, name)) not in ((), own):
            raise ValueError(
                f"AnalogIO.{name} must be one number or have shape {own} for weights {shape}, got "
                f"{jnp.shape(getattr(io, name))}."
            )
