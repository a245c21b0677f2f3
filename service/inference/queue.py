"""The one place in which requests wait for the model.

What has arrived by the end of a turn of the event loop is one run, for a run of many images takes hardly longer than
one of one. On a CPU it takes place on the loop; on a GPU in a thread, while the next batch gathers. Nobody waits for
company that may not come, and nothing is locked: only the loop touches what waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from service.inference.engine import Images, Probabilities

Model = TypeVar("Model")


class Waiting(NamedTuple, Generic[Model]):
    """Images that wait for a run of `model`, and who waits for their probabilities."""

    model: Model
    images: Images
    future: "asyncio.Future[Probabilities]"


class Queue(Generic[Model]):
    """Runs of the model that requests share. All methods are for the event loop's thread.

    `compute` returns the probabilities, float32 [N, 10], of uint8 [N, 28, 28]; a run has `most` images at most, or
    those of one request. With an `executor` it takes place there.
    """

    def __init__(
        self, compute: Callable[[Model, Images], Probabilities], *, most: int, executor: Executor | None = None
    ) -> None:
        """Begin empty."""
        self._compute = compute
        self._most = most
        self._executor = executor
        self._waiting: deque[Waiting[Model]] = deque()
        self._busy = False

    def submit(self, model: Model, images: Images) -> "asyncio.Future[Probabilities]":
        """Return the future of the probabilities of `images`, uint8 [N, 28, 28], with whatever error their run ends."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Probabilities] = loop.create_future()
        self._waiting.append(Waiting(model, images, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(loop.call_soon, self._next)
        return future

    def _next(self) -> None:
        """Begin the next run, if anything waits for one."""
        batch = self._take()
        self._busy = bool(batch)
        if not batch:
            return
        images = batch[0].images if len(batch) == 1 else np.concatenate([entry.images for entry in batch])
        loop = asyncio.get_running_loop()
        if self._executor is None:
            run: asyncio.Future[Probabilities] = loop.create_future()
            try:
                run.set_result(self._compute(batch[0].model, images))
            except Exception as error:
                run.set_exception(error)
            self._settle(batch, run)
        else:
            run = asyncio.ensure_future(loop.run_in_executor(self._executor, self._compute, batch[0].model, images))
            run.add_done_callback(lambda run: self._settle(batch, run))

    def _take(self) -> list[Waiting[Model]]:
        """Take what is of one model and fits into one run, in the order of its coming; who has gone is left out."""
        batch: list[Waiting[Model]] = []
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

    def _settle(self, batch: list[Waiting[Model]], run: "asyncio.Future[Probabilities]") -> None:
        """Give each its own rows, or the error of the run, and go on."""
        error, start = run.exception(), 0
        for entry in batch:
            end = start + len(entry.images)
            if entry.future.done():
                pass  # its request was cancelled meanwhile
            elif error is not None:
                entry.future.set_exception(error)
            else:
                entry.future.set_result(run.result()[start:end])
            start = end
        asyncio.get_running_loop().call_soon(self._next)
