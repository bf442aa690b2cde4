"""The check of numbers that differ from line to line, or from crosspoint to crosspoint."""

import jax.numpy as jnp


def check_lines(io, shape: tuple[int, ...]) -> None:
    """Raises a ValueError if an array of ``io`` does not fit weights of a shape ``(in, out)``."""
    lines = shape[1:]
    wanted = {"out_noise": lines, "v_offset": lines, "out_nonlinearity": lines}
    for name, own in {**wanted, "w_read_asymmetry": shape}.items():
        if jnp.shape(getattr(io, name)) not in ((), own):
            raise ValueError(
                f"AnalogIO.{name} must be one number or have shape {own} for weights {shape}, got "
                f"{jnp.shape(getattr(io, name))}."
            )
