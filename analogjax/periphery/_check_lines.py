"""The check of numbers that differ from line to line, or from crosspoint to crosspoint."""

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
    several = {**dict.fromkeys(_OF_LINES, lines), "w_read_asymmetry": shape}
    for name, value in vars(io).items():
        own, found = several.get(name, ()), getattr(value, "shape", ())
        if found not in ((), own):
            more = f" or have shape {own} for weights {shape}" if own else ""
            raise ValueError(f"AnalogIO.{name} must be one number{more}, got the shape {found}.")
