"""The compose deployment, shared by all rows and started by the first that needs it."""

import json
from contextlib import ExitStack
from typing import Any

from benchmarks.hardening.score import Score
from tests.deployment import Deployment, deployed, missing, run

_kept = ExitStack()
_started: list[Deployment] = []


def compose(score: Score) -> Deployment | None:
    """Return the deployment with two ready replicas, None if impossible here: the score then says why."""
    score.not_run = missing()
    if not score.not_run and not _started:
        _started.append(_kept.enter_context(deployed()))
    return None if score.not_run else _started[0]


def remove() -> None:
    """Remove the deployment, if any."""
    _kept.close()
    _started.clear()


def python(container: str, code: str) -> Any:
    """Run `code` inside a container of the service and return the JSON it prints."""
    return json.loads(run("docker", "exec", container, "python", "-c", code))
