"""The command ``analogjax``."""

import contextlib
import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import jax

try:
    import matplotlib  # noqa: F401
    import rich.console
    import tyro
except ImportError as error:  # pragma: no cover
    raise SystemExit(
        f"The command line needs {error.name}: pip install 'analogjax[cli]'"
    ) from error

from analogjax.experiments._compare import CompareOptions, compare
from analogjax.experiments._cores import cores
from analogjax.experiments._cost_command import CostOptions, cost
from analogjax.experiments._device import DeviceOptions, device
from analogjax.experiments._reproduce import ReproduceOptions, reproduce
from analogjax.experiments._stop import Stopped, StopRequest, stop_on_signals
from analogjax.experiments._sweep_command import SweepOptions, sweep_command
from analogjax.experiments._train import TrainOptions, train

Command = (
    Annotated[CompareOptions, tyro.conf.subcommand("compare")]
    | Annotated[TrainOptions, tyro.conf.subcommand("train")]
    | Annotated[SweepOptions, tyro.conf.subcommand("sweep")]
    | Annotated[ReproduceOptions, tyro.conf.subcommand("reproduce")]
    | Annotated[DeviceOptions, tyro.conf.subcommand("device")]
    | Annotated[CostOptions, tyro.conf.subcommand("cost")]
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns 2 after a mistake of the user's, told in one sentence."""
    try:
        options = tyro.cli(
            Command,
            prog="analogjax",
            args=arguments,
            description="Training neural networks on analog in-memory hardware, pulse by pulse.",
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except BrokenPipeError:
        _leave_output()
        return 0
    # Tracing makes millions of objects that stay: looking through them again and again for what
    # can go takes a sixth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    console = _Console()
    with stop_on_signals(console) as stop, ThreadPoolExecutor(1) as pool:
        try:
            # In another thread, since signals wait for the main one to come out of compiled code.
            pool.submit(_run, options, console, stop).result()
        except (ValueError, OSError, FloatingPointError) as error:
            print(f"analogjax: {_told(error)}", file=sys.stderr)
            return 2
        except Stopped as stopped:
            print(f"analogjax: {stopped}. {_how_to_go_on(options, stopped)}", file=sys.stderr)
            return 128 + stop.number
        # These two are too short to stop; a script that runs them is to stop all the same.
        ended = stop.number and isinstance(options, DeviceOptions | CostOptions)
    return 128 + stop.number if ended else 0


def _run(options: Command, console: rich.console.Console, stop: StopRequest) -> None:
    if isinstance(options, CompareOptions):
        # One thread for each training: XLA on a CPU takes the size of its pool from here.
        os.environ.setdefault("NPROC", "1")
        compare(options, console, stop)
    elif isinstance(options, TrainOptions):
        train(options, console, stop)
    elif isinstance(options, SweepOptions):
        _one_device_a_core()
        sweep_command(options, console, stop)
    elif isinstance(options, ReproduceOptions):
        _one_device_a_core()
        reproduce(options, console, stop)
    elif isinstance(options, DeviceOptions):
        device(options, console)
    else:
        cost(options, console)


class _Console(rich.console.Console):
    """A console that lets the work go on where nobody reads its output any more."""

    def on_broken_pipe(self) -> None:
        """Says no more."""
        self.quiet = True
        _leave_output()


def _leave_output() -> None:
    """Sends what is still to be printed nowhere, as after ``| head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: Exception) -> str:
    """What to say of an error."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _how_to_go_on(options: Command, stopped: Stopped) -> str:
    if not stopped.kept:
        return "Nothing of it is kept: start it again."
    again = isinstance(options, SweepOptions | ReproduceOptions)
    return "The same command goes on from there." if again else "Go on with --resume."


def _one_device_a_core() -> None:
    """Makes a CPU as many devices as it has cores, for trainings to run side by side."""
    os.environ.setdefault("NPROC", "1")
    # A program that has used JAX already keeps the devices that it has.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores())
