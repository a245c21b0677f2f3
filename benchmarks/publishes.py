"""Latency and errors while new versions are published.

    python -m benchmarks.publishes [--publishes N] [--rate N] [--blocks N]

The load is an open loop: requests are sent on schedule, and latency counts from the scheduled time. Blocks with and
without publications alternate. Each version has its own temperature, so the probabilities show which one answered.
"""

import argparse
import http.client
import json
import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import versions
from service.contract import MODEL_NAME
from tests import drawing
from tests.server import Server, running
from training.release.publish import publish

INTERVAL_SECONDS = 1.3  # between publications; workers poll once a second, so each version is loaded
MAX_SWITCH_SECONDS = 3.0
MAX_P99_RATIO = 2.0
_CONNECTIONS = 16
_KEPT = 3  # versions; older ones are deleted, even if a worker still serves them
_EXACT = 1e-6


@dataclass(frozen=True)
class Answer:
    """One request: scheduled and sent times, latency from the schedule, and the version that answered.

    `correct`: the probabilities are those of that version.
    """

    due: float
    sent: float
    seconds: float
    version: int = 0
    status: int = 0
    correct: bool = False


@dataclass
class Outcome:
    """All answers, and when each version was published. Times are monotonic, in seconds."""

    answers: list[Answer]
    published: dict[int, float]
    blocks: list[tuple[float, float, bool]] = field(default_factory=list)

    @property
    def failed(self) -> list[Answer]:
        """Requests without an answer or with an error."""
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def wrong(self) -> list[Answer]:
        """Answers whose probabilities are not those of the version they name."""
        return [answer for answer in self.answers if answer.status == 200 and not answer.correct]

    @property
    def seen(self) -> set[int]:
        """Versions that answered."""
        return {answer.version for answer in self.answers}

    @property
    def longest_switch(self) -> float:
        """Longest time from a publication to the last request that an older version answered, in seconds."""
        return max((answer.sent - self._outdated_at(answer) for answer in self.answers if answer.version), default=0.0)

    def _outdated_at(self, answer: Answer) -> float:
        return self.published.get(answer.version + 1, float("inf"))

    def p99(self, *, publishing: bool) -> float:
        """Return the 99th percentile of latency in seconds, in blocks with or without publications."""
        return float(np.percentile(self._latencies(publishing=publishing), 99))

    def median(self, *, publishing: bool) -> float:
        """Return the median latency in seconds, in blocks with or without publications."""
        return float(np.median(self._latencies(publishing=publishing)))

    def _latencies(self, *, publishing: bool) -> list[float]:
        spans = [(start, end) for start, end, published in self.blocks if published is publishing]
        return [each.seconds for each in self.answers if any(start <= each.due < end for start, end in spans)]


def measure(*, publishes: int, rate: float, blocks: int, workers: int = 2) -> Outcome:
    """Serve, send `rate` requests a second, and publish `publishes` versions in `blocks` blocks."""
    with tempfile.TemporaryDirectory() as scratch:
        models, prepared = Path(scratch) / "models", Path(scratch) / "prepared"
        expected = {number: versions.prepare(prepared / str(number), number) for number in range(1, publishes + 2)}
        publish(models, MODEL_NAME, versions.copying(prepared))
        with running(MODELS_DIR=models, WORKERS=workers, LOG_LEVEL="error") as server:
            server.wait_for("/readyz")
            return _measure(server, expected, lambda times: _publishing(models, prepared, times), rate, blocks)


def _measure(
    server: Server,
    expected: dict[int, list[float]],
    publishing: Callable[[list[float]], AbstractContextManager[dict[int, float]]],
    rate: float,
    blocks: int,
) -> Outcome:
    each, rest = divmod(len(expected) - 1, blocks)
    counts = [each + (number < rest) for number in range(blocks)]
    spans, times, start = [], [], time.monotonic() + 3
    for count in counts:
        length = count * INTERVAL_SECONDS
        times += [start + length + number * INTERVAL_SECONDS for number in range(count)]
        spans += [(start, start + length, False), (start + length, start + 2 * length, True)]
        start += 2 * length
    with publishing(times) as published:
        answers = send_requests(server, expected, spans[0][0], start, rate)
    return Outcome(answers, dict(published), spans)


@contextmanager
def _publishing(models: Path, prepared: Path, times: list[float]) -> Iterator[dict[int, float]]:
    """Publish from a separate process at `times`; the yielded dict is filled with the actual times at the end."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_publish_all, args=(models, prepared, times, sending))
    process.start()
    published: dict[int, float] = {}
    try:
        yield published
        published |= receiving.recv()
    finally:
        process.terminate()
        process.join()
        receiving.close()
        sending.close()


def _publish_all(models: Path, prepared: Path, times: list[float], done: Connection) -> None:
    published = {}
    for at in times:
        time.sleep(max(0.0, at - time.monotonic()))
        version = int(publish(models, MODEL_NAME, versions.copying(prepared)))
        published[version] = time.monotonic()
        shutil.rmtree(models / MODEL_NAME / str(version - _KEPT), ignore_errors=True)
    done.send(published)


def send_requests(
    server: Server, expected: dict[int, list[float]], start: float, end: float, rate: float
) -> list[Answer]:
    """Send requests at `rate` a second from `start` to `end`, and return the answers."""
    due = (start + number / rate for number in range(round((end - start) * rate)))
    lock, answers = threading.Lock(), list[Answer]()

    def work() -> None:
        client = _Client(server, expected)
        while True:
            with lock:
                at = next(due, None)
            if at is None:
                return client.close()
            time.sleep(max(0.0, at - time.monotonic()))
            answers.append(client.send(at))

    threads = [threading.Thread(target=work) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class _Client:
    """A client with its own keep-alive connection."""

    def __init__(self, server: Server, expected: dict[int, list[float]]) -> None:
        self._connection = server.connect()
        self._expected = expected
        self._content = drawing.encode(Image.fromarray(versions.digit()))

    def send(self, due: float) -> Answer:
        sent = time.monotonic()
        try:
            self._connection.request("POST", "/predict", self._content, {"Content-Type": "image/png"})
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request reconnects
            return Answer(due, sent, time.monotonic() - due)
        seconds = time.monotonic() - due
        if response.status != 200:
            return Answer(due, sent, seconds, status=response.status)
        said = json.loads(body)
        version = int(said["model"]["version"])
        difference = np.abs(np.subtract(said["probabilities"], self._expected[version])).max()
        return Answer(due, sent, seconds, version, 200, bool(difference <= _EXACT))

    def close(self) -> None:
        self._connection.close()


def report(outcome: Outcome) -> str:
    """Return the results as text."""
    quiet, busy = outcome.p99(publishing=False), outcome.p99(publishing=True)
    medians = [outcome.median(publishing=publishing) for publishing in (False, True)]
    return "\n".join(
        [
            f"{len(outcome.answers):,} requests, {len(outcome.failed)} failed, "
            f"{len(outcome.wrong)} with another version's probabilities",
            f"{len(outcome.published)} versions published, {len(outcome.seen)} of them answered; "
            f"longest switch to the new version {outcome.longest_switch:.2f} s",
            f"median {1e3 * medians[0]:.2f} ms quiet, {1e3 * medians[1]:.2f} ms publishing",
            f"p99 {1e3 * quiet:.2f} ms quiet, {1e3 * busy:.2f} ms publishing: {busy / quiet:.2f} times",
        ]
    )


def main() -> int:
    """Print the results; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--publishes", type=int, default=100, help="versions to publish (100)")
    parser.add_argument("--rate", type=float, default=200, help="requests a second (200)")
    parser.add_argument("--blocks", type=int, default=10, help="blocks with, and as many without, publications (10)")
    options = parser.parse_args()
    outcome = measure(publishes=options.publishes, rate=options.rate, blocks=options.blocks)
    print(report(outcome))
    ratio = outcome.p99(publishing=True) / outcome.p99(publishing=False)
    late = outcome.longest_switch > MAX_SWITCH_SECONDS
    return int(bool(outcome.failed or outcome.wrong or late or ratio > MAX_P99_RATIO))


if __name__ == "__main__":
    sys.exit(main())
