"""The service that the rows try: the real one with the published model, in processes of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.server import ROOT, Server, running

GRACE_SECONDS = 10


@contextmanager
def service(module: str = "service", **settings: object) -> Iterator[Server]:
    """Start the service with two workers, each ready, and stop it at the end."""
    given = {"MODELS_DIR": ROOT / "models", "WORKERS": 2, "LOG_LEVEL": "warning", "GRACE_SECONDS": GRACE_SECONDS}
    with running(module, **{**given, **settings}) as server:
        server.wait_for("/readyz", seconds=60)
        yield server
