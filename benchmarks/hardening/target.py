"""The service under test: the real one with the published model, in separate processes."""

from collections.abc import Iterator
from contextlib import contextmanager

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
