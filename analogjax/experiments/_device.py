"""``analogjax device``: look at a device, or fit one to measured curves."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from analogjax._version import __version__
from analogjax.devices import FitReport, PulsedDevice, fit
from analogjax.experiments._curves import read_curves
from analogjax.experiments._files import check_directory, write_json, write_whole
from analogjax.experiments._named_devices import named_device
from analogjax.experiments._options import check_seed
from analogjax.experiments._words import counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Show how a device answers pulses, or fit a device to measured curves.

    Attributes:
      name: a preset such as reram-es, or a device class such as soft-bounds.
      states: number of states to give the device, instead of its own.
      pulses: pulses in one direction before they turn; twice the number of states by default, at
        most 2000.
      seed: seed of the simulated crosspoints.
      fit: CSV file of measured curves to fit, with the columns pulse, conductance (normalised: less
        that of zero weight, and divided by what the device calls 1) and, for several crosspoints,
        device; the first row of each has pulse 0.
      model: preset or device class that is fitted, and where the fit starts; soft-bounds by
        default.
      out: directory of the results: device.png, summary.json.
    """

    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[NAME]")] = None
    states: Annotated[float | None, tyro.conf.arg(metavar="N")] = None
    pulses: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    seed: int = 0
    fit: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    out: Path = Path("results/device")


def device(options: DeviceOptions, console: Console) -> None:
    """Shows or fits a device and writes its figure and numbers.

    Raises:
      ValueError: with one sentence on what is wrong; then nothing is written.
    """
    if (options.name is None) == (options.fit is None):
        raise ValueError(
            "Name one device to look at, as in 'analogjax device reram-es', or one file of "
            "measured curves, as in 'analogjax device --fit curves.csv --model soft-bounds'."
        )
    if options.model is not None and options.fit is None:
        raise ValueError(f"model is of --fit, got {options.model!r} without it.")
    if options.fit is not None and (options.pulses is not None or options.seed != 0):
        raise ValueError("pulses and seed are of a device to look at: leave them out with --fit.")
    if options.pulses is not None and options.pulses < 1:
        raise ValueError(f"pulses must be at least 1, got {options.pulses}.")
    check_seed(options.seed)
    check_directory(options.out)
    if options.fit is None:
        _show(options, console)
    else:
        _fit(options, options.fit, console)
    console.print(f"Figure and numbers are in {options.out}/", soft_wrap=True)


def _show(options: DeviceOptions, console: Console) -> None:
    shown = named_device(str(options.name), options.states)
    points = _points(shown)
    states = float(shown.n_states)
    number = f"{states:,.0f}" if states >= 10_000 else f"{states:.4g}"
    title = f"{options.name}: {type(shown).__name__} with {number} states"
    table = Table(title=title)
    table.add_column("at")
    for column in ("weight", "q+", "q-", "F", "G"):
        table.add_column(column, justify="right")
    for name, numbers in points.items():
        table.add_row(name, *(f"{number:.4g}" for number in numbers.values()))
    content = {
        "name": options.name,
        "model": type(shown).__name__,
        "n_states": float(shown.n_states),
        "granularity": float(shown.granularity),
        "symmetric_point": points["symmetric point"]["w"],
        "points": points,
        "device": _record(shown),
    }
    _write(options, content, lambda path: _figure_of_device(path, options, title, shown))
    console.print(table)
    console.print(f"granularity (weight step that pulses are counted in): {shown.granularity:.4g}")


def _points(shown: PulsedDevice) -> dict[str, dict[str, float]]:
    """Responses of the mean device at some weights."""
    mean = shown.without_variation()
    cells = mean.sample(jax.random.key(0), ())
    places = {
        "half way to w_min": cells.w_min / 2,
        "zero": jnp.zeros(()),
        "symmetric point": mean.symmetric_point(cells),
        "half way to w_max": cells.w_max / 2,
    }
    points = {}
    for name, w in places.items():
        up, down = (float(q) for q in mean.response(cells, w))
        numbers = {"q_up": up, "q_down": down, "F": (down + up) / 2, "G": (down - up) / 2}
        points[name] = {"w": float(w), **numbers}
    return points


def _fit(options: DeviceOptions, path: Path, console: Console) -> None:
    name = options.model or "soft-bounds"
    model = named_device(name, options.states)
    pulses, conductance = read_curves(path)
    try:
        report = fit(model, pulses, conductance)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    content = {
        "model": name,
        "curves": len(conductance),
        "pulses": len(pulses),
        "values": report.values,
        "intervals": {
            name: [bound if np.isfinite(bound) else None for bound in interval]
            for name, interval in report.intervals.items()
        },
        "undetermined": report.undetermined,
        "read_noise": report.read_noise,
        "residual": report.residual,
        "device": _record(report.device),
    }
    _write(options, content, lambda p: _figure_of_fit(p, report, pulses, conductance))
    title = f"{path.name}: {counted(len(conductance), 'curve')} fitted by {name}"
    console.print(_table_of_fit(title, report))
    console.print(
        f"pulse-to-pulse noise dw_min_std {float(report.device.dw_min_std):.3g}, read noise "
        f"{report.read_noise:.3g}, rms error of prediction {report.residual:.3g}"
    )


def _table_of_fit(title: str, report: FitReport) -> Table:
    table = Table(title=title)
    table.add_column("field")
    for column in ("value", "95 % interval"):
        table.add_column(column, justify="right")
    table.add_column("note")
    held = {group[0]: group[1:] for group in report.undetermined}
    for name, value in report.values.items():
        low, high = report.intervals[name]
        note, interval = "", f"{low:.4g} to {high:.4g}"
        if name in held:
            others = ", ".join(held[name])
            note = "held: the data do not determine it" + (
                f" apart from {others}" if others else ""
            )
            interval = "-"
        table.add_row(name, f"{value:.4g}", interval, note)
    return table


def _record(shown: PulsedDevice) -> dict:
    return {name: np.asarray(value).tolist() for name, value in vars(shown).items()}


def _write(options: DeviceOptions, content: dict, figure: Callable[[Path], None]) -> None:
    write_json(options.out / "summary.json", {"analogjax": __version__, **content})
    write_whole(options.out / "device.png", figure)


def _figure_of_device(path: Path, options: DeviceOptions, title: str, shown: PulsedDevice) -> None:
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_pulse_response, plot_response_factors, plot_symmetry

    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
    key = jax.random.key(options.seed)
    plot_pulse_response(left, shown, key=key, half=options.pulses)
    plot_response_factors(middle, shown)
    plot_symmetry(right, shown)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _figure_of_fit(path: Path, report: FitReport, pulses, conductance) -> None:
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_fit, plot_symmetry

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    plot_fit(left, report.device, pulses, conductance)
    plot_symmetry(right, report.device)
    if report.undetermined:
        held = ", ".join(group[0] for group in report.undetermined)
        right.set_title(f"held, as the data leave it open: {held}", fontsize="small")
    figure.savefig(path, dpi=150)
