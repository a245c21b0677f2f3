"""The service under test: the real one with the published model, in separate processes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.server import ROOT, Server, running

GRACE_SECONDS = 10


@contextmanager
def service(module: str = "service", workers: int = 2, **settings: object) -> Iterator[Server]:
    """Start the service, yield it when all workers are ready, and stop it at the end."""
    given = {"MODELS_DIR": ROOT / "models", "WORKERS": workers, "LOG_LEVEL": "warning", "GRACE_SECONDS": GRACE_SECONDS}
    with running(module, **{**given, **settings}) as server:
        server.wait_for("/readyz", seconds=60)
        server.wait_for_ready_workers(workers)
        yield server


def kill_worker(server: Server, victim: int) -> float:
    """Kill one of two workers; return the seconds until there are two ready ones again, 60 if there never are."""
    started = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while time.monotonic() - started < 60:
        time.sleep(0.05)
        with suppress(OSError):
            if victim not in server.workers() and server.metric("digits_workers_ready") == 2:
                break
    return time.monotonic() - started
