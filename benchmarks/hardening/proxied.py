"""The compose deployment, one for all rows that want it, started when the first does."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from benchmarks.hardening.score import Score
from tests.deployment import Deployment, deployed, missing, run

_kept = ExitStack()
_started: list[Deployment] = []


@contextmanager
def compose(score: Score) -> Iterator[Deployment | None]:
    """Yield the deployment with two replicas ready, None where none can be had: then the score says why."""
    score.unable = missing()
    if not score.unable and not _started:
        _started.append(_kept.enter_context(deployed()))
    yield None if score.unable else _started[0]


def remove() -> None:
    """Remove the deployment, if there is one; its log is not printed."""
    with redirect_stdout(StringIO()):
        _kept.close()
    _started.clear()


def python(container: str, code: str) -> Any:
    """Return the JSON that `code`, run inside a container of the service, prints."""
    return json.loads(run("docker", "exec", container, "python", "-c", code))
