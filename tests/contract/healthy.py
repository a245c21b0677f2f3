"""Latency of a healthy client beside others."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

from tests.contract.exchanges import seven
from tests.contract.server import Address

MOST_MEDIAN, MOST_WAIT = 0.05, 0.5  # seconds that a small prediction may take during attacks


def waits(address: Address, while_: Callable[[], bool] = lambda: False, least: int = 20) -> list[float]:
    """Send small predictions in turn while `while_()` holds, some on new connections; return their latencies."""
    found: list[float] = []
    while len(found) < least or while_():
        with closing(HTTPConnection(*address, timeout=30)) as connection:
            for _ in range(10):
                started = time.monotonic()
                connection.request("POST", "/predict", seven(), {"Content-Type": "image/png"})
                response = connection.getresponse()
                response.read()
                found.append(time.monotonic() - started)
                assert response.status == 200
                time.sleep(0.01)
    return found


def unharmed(found: list[float]) -> None:
    """Check the latency of a healthy client."""
    shown = f"median {statistics.median(found):.3f} s, longest {max(found):.3f} s of {len(found)}"
    assert statistics.median(found) < MOST_MEDIAN, shown
    assert max(found) < MOST_WAIT, shown


@contextmanager
def in_threads(*tasks: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Run tasks in threads; yield a function that says whether one still runs; raise the first task's error."""
    errors: list[BaseException] = []

    def run(task: Callable[[], object]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    yield lambda: any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
