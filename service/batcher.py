"""One run of the model for the requests of several threads, where a run takes hardly longer for many pictures.

That is so on a GPU. The first to come opens a batch and waits for others, at most as long as the window; when the time
is over, or the batch is full, it runs the model for all of them, and each takes its own rows of the answer. There is no
thread beside those of the requests, so there is none that could end before them: whoever waits, waits for another
request that is being answered. A batch is of one model: a request that comes with another one opens the next.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np

from service.errors import NotReady
from service.inference.engine import Images, Probabilities

Model = TypeVar("Model")


class Batch(Generic[Model]):
    """The images that wait for one run of `model`. Whoever holds the batcher's lock may change what is in it."""

    def __init__(self, model: Model) -> None:
        """Begin empty."""
        self.model = model
        self.images: list[Images] = []
        self.count = 0
        self.closed = threading.Event()  # nothing will be added
        self.taken = False  # by the thread that runs it
        self.outcome: Future[Probabilities] = Future()

    def add(self, images: Images) -> slice:
        """Put `images` behind what is there, and return which rows of the answer will be theirs."""
        rows = slice(self.count, self.count + len(images))
        self.images.append(images)
        self.count = rows.stop
        return rows


class Batcher(Generic[Model]):
    """Lets threads share runs: `compute` returns the probabilities, float32 [N, 10], of uint8 [N, 28, 28].

    A batch waits for `window` seconds at most and holds `most` images; nothing is shared where the window is 0. Nobody
    waits longer than `patience` seconds for an answer that another thread computes.
    """

    def __init__(
        self, compute: Callable[[Model, Images], Probabilities], *, window: float, most: int, patience: float
    ) -> None:
        """Begin with no batch."""
        self._compute = compute
        self._window = window
        self._most = most
        self._patience = patience
        self._lock = threading.Lock()
        self._open: Batch[Model] | None = None

    def run(self, model: Model, images: Images, *, waited: bool = False) -> Probabilities:
        """Return the probabilities of `images`, computed by `model` with those of others.

        Who has `waited` for others already runs at once what is there.

        Raises:
            NotReady: the thread that runs the batch does not come to an end.
            Exception: whatever the run has raised, to each of those that share it.
        """
        if not self._window or len(images) >= self._most:
            return self._compute(model, images)
        batch, rows, opened = self._join(model, images)
        if opened and not waited:
            batch.closed.wait(self._window)
        if (opened or waited) and self._take(batch):
            self._run(batch)
        return self._answer(batch)[rows]

    def _join(self, model: Model, images: Images) -> tuple[Batch[Model], slice, bool]:
        """Put `images` into the open batch, or into a new one; return it, the rows, and whether it is new."""
        with self._lock:
            batch, opens = self._open, False
            if batch is None or batch.model is not model or batch.count + len(images) > self._most:
                self._close()
                batch, opens = Batch(model), True
                self._open = batch
            rows = batch.add(images)
            if batch.count == self._most:
                self._close()
            return batch, rows, opens

    def _close(self) -> None:
        if self._open:
            self._open.closed.set()
            self._open = None

    def _take(self, batch: Batch[Model]) -> bool:
        """Close `batch`, and tell whether it is for the caller to run it: one thread is told so."""
        with self._lock:
            if self._open is batch:
                self._close()
            first, batch.taken = not batch.taken, True
            return first

    def _run(self, batch: Batch[Model]) -> None:
        """Run the model and let all that wait know how it went, also where it went so wrong that this thread ends."""
        try:
            images = batch.images[0] if len(batch.images) == 1 else np.concatenate(batch.images)
            batch.outcome.set_result(self._compute(batch.model, images))
        except BaseException as error:
            batch.outcome.set_exception(error)

    def _answer(self, batch: Batch[Model]) -> Probabilities:
        try:
            return batch.outcome.result(self._patience)
        except TimeoutError:
            if batch.outcome.done():
                raise
            raise NotReady("The model takes too long to answer: try again, or ask another server.") from None
