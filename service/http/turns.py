"""Runs slow work in a bounded pool of threads, first come, first served.

Work waits for a thread; what would wait too long is rejected at once.
"""

import asyncio
import contextvars
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from service.errors import TooBusy

T = TypeVar("T")

# The event loop is urgent, so threads get a lower priority.
_NICE = 5
FULL = "The service is overloaded: try again after `Retry-After` seconds."
_MEMORY = 0.9  # weight of older turns in the moving mean of durations


class Turns:
    """A pool of `threads`; work waits at most `seconds` for one."""

    def __init__(self, threads: int, seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, "turns", initializer=_be_nice)
        self._free = asyncio.Semaphore(threads)
        self._threads = threads
        self._seconds = seconds
        self._waiting = 0
        self._mean = 0.0  # seconds of a turn

    async def take(self, function: Callable[..., T], *args: Any, patient: bool = False) -> T:
        """Call `function` in a thread and return its result; raise TooBusy if it would wait too long.

        `patient` work, for a request in progress, waits as long as it takes.
        """
        if not patient and self._free.locked() and self._mean * self._waiting / self._threads > self._seconds:
            raise TooBusy(FULL)
        self._waiting += 1
        try:
            async with asyncio.timeout(None if patient else self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise TooBusy(FULL) from None
        finally:
            self._waiting -= 1
        started = perf_counter()
        try:
            work = partial(contextvars.copy_context().run, function, *args)
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._free.release()
            self._mean = _MEMORY * self._mean + (1 - _MEMORY) * (perf_counter() - started)


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere 0 is the whole process
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
