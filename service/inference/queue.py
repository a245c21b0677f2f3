"""Where requests wait: for a thread (`Turns`), and for the model (`Queue`). Only the event loop uses them: no locks.

Requests that arrive within one turn of the loop share a run of the model. On a CPU it takes place on the loop; large
ones, and those on a GPU, in a thread, while the next batch collects. There is no batching window.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from service.errors import TooBusy
from service.inference.engine import Fitted, Images, Probabilities
from service.inference.store import Serving

MOST_ON_LOOP = 256  # images: a larger run would block the event loop
FULL = "The service is overloaded: try again after `Retry-After` seconds."
_NICE = 5  # of the threads: the event loop is urgent
_MEMORY = 0.9  # weight of older turns in the moving mean of durations

T = TypeVar("T")


class Waiting(NamedTuple):
    model: Serving
    images: Images
    fitted: Fitted
    future: "asyncio.Future[Probabilities]"


class Queue:
    """Batches requests into runs of the model. Call its methods on the event loop only.

    `compute(model, images, fitted)` returns float32 [N, 10] for uint8 [N, 28, 28]; `fitted` may get second looks.
    A run has at most `most` images, or those of one larger request. With more than `on_loop` it is made in a thread.
    """

    def __init__(
        self, compute: Callable[[Serving, Images, Fitted], Probabilities], *, most: int, on_loop: int = MOST_ON_LOOP
    ) -> None:
        self._compute = compute
        self._most, self._on_loop = most, on_loop
        self._thread = ThreadPoolExecutor(1, "model")
        self._waiting: deque[Waiting] = deque()
        self._runs: asyncio.Task[None] | None = None

    def submit(self, model: Serving, images: Images, fitted: Fitted = False) -> "asyncio.Future[Probabilities]":
        """Return a future of the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28], or of an error.

        Images that were `fitted` may get a second look.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Probabilities] = loop.create_future()
        self._waiting.append(Waiting(model, images, np.full(len(images), fitted), future))
        if self._runs is None:
            self._runs = loop.create_task(self._run_all())
        return future

    async def _run_all(self) -> None:
        """Answer all that wait, a run a turn."""
        await asyncio.sleep(0)  # for other requests of this turn
        while batch := self._take():
            try:
                _settle(batch, await self._run(batch))
            except Exception as error:
                for entry in batch:
                    if not entry.future.done():
                        entry.future.set_exception(error)
            await asyncio.sleep(0)
        self._runs = None

    async def _run(self, batch: list[Waiting]) -> Probabilities:
        images, fitted = batch[0].images, batch[0].fitted
        if len(batch) > 1:
            images, fitted = (np.concatenate(arrays) for arrays in zip(*(entry[1:3] for entry in batch), strict=True))
        run = partial(self._compute, batch[0].model, images, fitted)
        if len(images) <= self._on_loop:
            return run()
        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _take(self) -> list[Waiting]:
        """Take what fits into one run of one model, in order of arrival, without cancelled requests."""
        batch: list[Waiting] = []
        count = 0
        while self._waiting:
            entry = self._waiting[0]
            if batch and (entry.model is not batch[0].model or count + len(entry.images) > self._most):
                break
            self._waiting.popleft()
            if not entry.future.done():
                batch.append(entry)
                count += len(entry.images)
        return batch


def _settle(batch: list[Waiting], probabilities: Probabilities) -> None:
    """Give each request its rows, unless it was cancelled meanwhile."""
    start = 0
    for entry in batch:
        end = start + len(entry.images)
        if not entry.future.done():
            entry.future.set_result(probabilities[start:end])
        start = end


class Turns:
    """Runs slow work in a pool of `threads`, first come, first served; work waits at most `seconds` for one."""

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
            work = partial(copy_context().run, function, *args)
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._free.release()
            self._mean = _MEMORY * self._mean + (1 - _MEMORY) * (perf_counter() - started)


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere 0 is the whole process
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
