"""Trainings side by side in threads, which fail together."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from analogjax.experiments._cores import cores
from analogjax.experiments._stop import Stopped

One = TypeVar("One")
Result = TypeVar("Result")


def side_by_side(
    run: Callable[[One, threading.Event], Result], each: Sequence[One]
) -> list[Result]:
    """Calls a function on each of some things, in threads, one for each core.

    The kernels of small networks are too small to share cores. After the first mistake the calls
    that have not begun do not begin, and an event tells the others. Those that were
    :class:`Stopped` are no mistake: the others are asked to stop too, and end by themselves.

    Args:
      run: the function; its second argument is the event.
      each: what it is called with.

    Returns:
      The results, in order.

    Raises:
      Exception: the first mistake, or else the first that was stopped.
    """
    failed = threading.Event()

    def one(argument: One) -> Result | Stopped:
        try:
            return run(argument, failed)
        except Stopped as stopped:
            return stopped

    with ThreadPoolExecutor(max_workers=cores()) as pool:
        futures = [pool.submit(one, argument) for argument in each]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            failed.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    results: list[Result] = []
    for future in futures:
        ended = future.result()
        if isinstance(ended, Stopped):
            raise ended
        results.append(ended)
    return results
