"""Latency and errors while new versions are published.

    python -m benchmarks.publishes [--publishes N] [--rate N] [--blocks N]

The load is an open loop: requests are sent on schedule, and latency counts from the scheduled time. Blocks with and
without publications alternate. Each version has its own temperature, so the probabilities show which one answered.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import versions
from benchmarks.hardening.load import Answer, Load, failed, post
from service.contract import MODEL_NAME
from tests import drawing
from tests.server import Server, serving
from tests.tensors import digits
from training.release.publish import publish

INTERVAL_SECONDS = 1.3  # between publications; workers poll once a second, so each version is loaded
MAX_SWITCH_SECONDS = 3.0
MAX_P99_RATIO = 2.0
_CONNECTIONS = 16
_KEPT = 3  # versions; older ones are deleted, even if a worker still serves them
_EXACT = 1e-6


@dataclass
class Outcome:
    """All answers, when each version was published, and the blocks, in turn without and with publications.

    Times are monotonic, in seconds; a block has a start and an end. `expected` has the probabilities of each version.
    """

    answers: list[Answer]
    published: dict[int, float]
    blocks: list[tuple[float, float]]
    expected: dict[int, list[float]]

    def __post_init__(self) -> None:
        """Sort the answers into those that read the picture and those that failed."""
        self.failed = failed(self.answers)
        self.good = [answer for answer in self.answers if answer.status == 200]

    @property
    def wrong(self) -> list[Answer]:
        """Answers whose probabilities are not those of the version they name."""
        return [one for one in self.good if np.abs(np.subtract(one.read[1], self.expected[one.read[0]])).max() > _EXACT]

    @property
    def seen(self) -> set[int]:
        """Versions that answered."""
        return {answer.read[0] for answer in self.good}

    @property
    def longest_switch(self) -> float:
        """Longest time from a publication to the last request that an older version answered, in seconds."""
        return max((one.sent - self.published.get(one.read[0] + 1, math.inf) for one in self.good), default=0.0)

    def milliseconds(self, percent: float) -> tuple[float, float]:
        """Return a percentile of latency in the blocks without publications and in those with them."""
        quiet, publishing = (
            [1e3 * (one.at - one.due) for start, end in spans for one in self.answers if start <= one.due < end]
            for spans in (self.blocks[::2], self.blocks[1::2])
        )
        return float(np.percentile(quiet, percent)), float(np.percentile(publishing, percent))


def measure(*, publishes: int, rate: float, blocks: int, workers: int = 2) -> Outcome:
    """Serve, send `rate` requests a second, and publish `publishes` versions in `blocks` blocks."""
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(1, get_context("spawn")) as publisher:
        models, prepared = Path(scratch) / "models", Path(scratch) / "prepared"
        expected = {number: versions.prepare(prepared / str(number), number) for number in range(1, publishes + 2)}
        publish(models, MODEL_NAME, versions.copying(prepared))
        with serving(MODELS_DIR=models, WORKERS=workers, LOG_LEVEL="error") as server:
            spans, times = _plan(publishes, blocks)
            published = publisher.submit(_publish_all, models, prepared, times)
            answers = _ask(server, spans[0][0], spans[-1][1], rate)
            return Outcome(answers, published.result(), spans, expected)


def _plan(publishes: int, blocks: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Return the blocks, in pairs without and with publications, and when to publish."""
    each, rest = divmod(publishes, blocks)
    spans, times, start = [], [], time.monotonic() + 3
    for number in range(blocks):
        count = each + (number < rest)
        length = count * INTERVAL_SECONDS
        times += [start + length + place * INTERVAL_SECONDS for place in range(count)]
        spans += [(start, start + length), (start + length, start + 2 * length)]
        start += 2 * length
    return spans, times


def _publish_all(models: Path, prepared: Path, times: list[float]) -> dict[int, float]:
    """Publish the versions at `times`; return the actual times."""
    published = {}
    for at in times:
        time.sleep(max(0.0, at - time.monotonic()))
        version = int(publish(models, MODEL_NAME, versions.copying(prepared)))
        published[version] = time.monotonic()
        shutil.rmtree(models / MODEL_NAME / str(version - _KEPT), ignore_errors=True)
    return published


def _ask(server: Server, start: float, end: float, rate: float) -> list[Answer]:
    schedule = [number / rate for number in range(round((end - start) * rate))]
    request = post(drawing.encode(Image.fromarray(digits(7)[0])))
    clients = Load(server.port, [request], _CONNECTIONS, schedule=schedule, read=_version_and_probabilities)
    time.sleep(max(0.0, start - time.monotonic()))
    clients.run()
    return clients.answers


def _version_and_probabilities(answer: bytes) -> tuple[int, list[float]] | None:
    if not answer.startswith(b"HTTP/1.1 200 "):
        return None
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    return int(said["model"]["version"]), said["probabilities"]


def report(outcome: Outcome) -> str:
    """Return the results as text."""
    medians, p99 = outcome.milliseconds(50), outcome.milliseconds(99)
    return (
        f"{len(outcome.answers):,} requests, {len(outcome.failed)} failed, "
        f"{len(outcome.wrong)} with another version's probabilities\n"
        f"{len(outcome.published)} versions published, {len(outcome.seen)} of them answered; "
        f"longest switch to the new version {outcome.longest_switch:.2f} s\n"
        f"median {medians[0]:.2f} ms quiet, {medians[1]:.2f} ms publishing\n"
        f"p99 {p99[0]:.2f} ms quiet, {p99[1]:.2f} ms publishing: {p99[1] / p99[0]:.2f} times"
    )


def main() -> int:
    """Print the results; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--publishes", type=int, default=100, help="versions to publish (100)")
    parser.add_argument("--rate", type=float, default=200, help="requests a second (200)")
    parser.add_argument("--blocks", type=int, default=10, help="blocks with, and as many without, publications (10)")
    outcome = measure(**vars(parser.parse_args()))
    print(report(outcome))
    quiet, publishing = outcome.milliseconds(99)
    late = outcome.longest_switch > MAX_SWITCH_SECONDS
    return int(bool(outcome.failed or outcome.wrong or late or publishing > MAX_P99_RATIO * quiet))


if __name__ == "__main__":
    sys.exit(main())
