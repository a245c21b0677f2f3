"""How many predictions a worker takes on. More are refused at once, rather than late and with all others.

Some compute; some wait for that, so that a burst is no refusal; whoever comes then is told to come again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import TooBusy

FULL = "More predictions are asked for than can be made: try again after the seconds in `Retry-After`."


class Admission:
    """Lets `most` in, of whom `at_once` compute."""

    def __init__(self, most: int, at_once: int) -> None:
        """Begin empty."""
        self._room = threading.Semaphore(most)
        self._computing = threading.Semaphore(at_once)

    @contextmanager
    def prediction(self) -> Iterator[None]:
        """Make a prediction inside this.

        Raises:
            TooBusy: as many as are let in are in.
        """
        if not self._room.acquire(blocking=False):
            raise TooBusy(FULL)
        try:
            with self._computing:
                yield
        finally:
            self._room.release()
