"""Bad versions are published, then a worker is killed."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.hardening import defective
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import kill_worker, service
from service.contract import MODEL_NAME
from tests import drawing, factory
from tests.server import Server

TITLE = "bad versions published, then a worker killed"
EXPECTED = "none is served, the old one is, also by the new worker; the server never halts"

_AT_ONCE = 10  # versions published before each kill


def run(score: Score) -> None:
    """Publish the bad versions above one good version, in groups."""
    defects = defective.defects(score.rng, score.choose(20, 200))
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch)
        factory.publish(models)
        with service(MODELS_DIR=models, LOG_LEVEL="error") as server:
            for start in range(0, len(defects), _AT_ONCE):
                _try(score, server, models, start, defects[start : start + _AT_ONCE])
    score.note(f"{len(defects)} defects, a worker killed after each {_AT_ONCE}")


def _try(score: Score, server: Server, models: Path, start: int, defects: list[defective.Defect]) -> None:
    numbers = {start + index + 2: defect for index, defect in enumerate(defects)}
    for number, defect in numbers.items():
        defective.publish(models, number, defect)
    _wait(server, set(map(str, numbers)))
    _check(score, server, numbers, "before the kill")
    kill_worker(server, server.workers()[0])
    time.sleep(2)  # time to open the versions
    _check(score, server, numbers, "after the kill")
    for number in numbers:
        shutil.rmtree(models / MODEL_NAME / str(number), ignore_errors=True)


def _check(score: Score, server: Server, numbers: dict[int, defective.Defect], when: str) -> None:
    """Check what is served, with enough connections to reach both workers."""
    served = {_version(server) for _ in range(20)}
    score.check(
        served == {"1"} and server.process.poll() is None,
        f"{when}, of versions 1 to {max(numbers)}: {served} are served",
    )
    index = {entry["version"]: entry for entry in _index(server)}
    for number, defect in numbers.items():
        entry = index.get(str(number), {"state": "UNAVAILABLE"})
        score.check(entry["state"] == "UNAVAILABLE", f"{when}, {defect.name}: reported as ready")


def _version(server: Server) -> str:
    status, answer = server.request("POST", "/predict", drawing.png(7), content_type="image/png")
    return str(answer["model"]["version"]) if status == 200 and answer["digit"] == 7 else f"status {status}"


def _index(server: Server) -> Any:
    return server.request("POST", "/v2/repository/index", b"{}")[1]


def _wait(server: Server, numbers: set[str]) -> None:
    """Wait until these versions were tried, but not forever: some are not versions at all."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        states = [entry["reason"] for entry in _index(server) if entry["version"] in numbers]
        if states and "It has not been opened yet." not in states:
            break
        time.sleep(0.2)
    time.sleep(1.5)  # the other worker polls once a second too
