"""Ending what runs by a signal, with what it has done so far kept."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from rich.console import Console

SIGNALS = (signal.SIGINT, signal.SIGTERM)


Stop = Callable[[], bool]


class Stopped(Exception):  # noqa: N818  Not an error: the user asked for it.
    """What was running has ended before its end, as it was asked to.

    Attributes:
      kept: whether there is something of it to go on from.
    """

    def __init__(self, message: str, *, kept: bool = True):
        super().__init__(message)
        self.kept = kept


def never() -> bool:
    """Nothing asks to end."""
    return False


class StopRequest:
    """Whether, and by which signal, the process was asked to end.

    Attributes:
      number: of the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> bool:
        """Whether to end at the next opportunity."""
        return self.number != 0


@contextlib.contextmanager
def stop_on_signals(console: Console) -> Iterator[StopRequest]:
    """Within it, SIGINT (Ctrl-C) and SIGTERM set a request; a second one ends the process at once.

    Python runs a handler only while its main thread is not busy in compiled code: let another
    thread train. Where this is not the main thread, signals are left alone.

    Args:
      console: where the first signal is answered.
    """
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        request.number = number
        name = signal.Signals(number).name
        console.print(f"{name}: what is under way is finished first; once more to end at once.")

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: signal.signal(each, handle) for each in SIGNALS}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
