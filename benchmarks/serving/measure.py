"""One round: start each server, ask it all there is to ask, end it."""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.serving.contestants import US, Contestant, environ_of, python_of
from benchmarks.serving.load import Load, Question, closed_loop, open_loop
from benchmarks.serving.processes import Tree, started
from benchmarks.serving.work import BATCH
from tests.server import ROOT, free_port

LARGE_A_SECOND = 2
_MOST_SECONDS_TO_READY = 60


class Figures:
    """What was measured: a number a round under the name of the server and of what was measured of it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, server: str, **numbers: float) -> None:
        """Add a round's numbers."""
        for what, number in numbers.items():
            self._found[server, what].append(number)

    def servers(self) -> list[str]:
        """Return the servers, in the order in which they were first measured."""
        return list(dict.fromkeys(server for server, _ in self._found))

    def median(self, server: str, what: str) -> float | None:
        """Return the median over the rounds, None where it was not measured."""
        found = self._found.get((server, what))
        return statistics.median(found) if found else None

    def median_ratio(self, server: str, other: str, what: str) -> float | None:
        """Return the median over the rounds of one server's number by another's in the same round."""
        ours, theirs = self._found.get((server, what), []), self._found.get((other, what), [])
        ratios = [number / others for number, others in zip(ours, theirs, strict=False)]
        return statistics.median(ratios) if ratios else None


@dataclass
class Bench:
    """What the rounds have in common."""

    questions: Mapping[str, Question]
    version: Path
    environments: Path
    cores: Sequence[int]
    seconds: float
    _pythons: dict[str, Path] = field(default_factory=dict)

    def prepare(self, contestants: Sequence[Contestant]) -> None:
        """Install the peers that are not installed yet."""
        self._pythons = {each.name: python_of(each, self.environments) for each in contestants}

    def round(self, contestants: Sequence[Contestant], figures: Figures) -> None:
        """Measure each once, and the work without any server."""
        figures.add("no server", **self._limits())
        for contestant in contestants:
            port = free_port()
            command = contestant.command(self._pythons[contestant.name], port)
            environ = environ_of(contestant, port, self.version)
            with tempfile.TemporaryFile() as log, started(command, environ, self.cores[0], log, ROOT) as tree:
                try:
                    self._measure(contestant, port, tree, figures)
                except Exception:
                    log.seek(0)
                    sys.stderr.write(log.read().decode(errors="replace"))
                    raise

    def _limits(self) -> dict[str, float]:
        arguments = [str(self.version), str(self.questions["raw"].body), str(min(2.0, self.seconds))]
        command = ["taskset", "--cpu-list", str(self.cores[0]), sys.executable, "-m", "benchmarks.serving.work"]
        output = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, check=True).stdout
        found = json.loads(output)
        return {"raw_rate": found["one"], "multipart_rate": found["one"], "batch_pictures": found["batch"]}

    def _measure(self, contestant: Contestant, port: int, tree: Tree, figures: Figures) -> None:
        asked = {form: replace(self.questions[form], path=path) for form, path in contestant.paths.items()}
        figures.add(contestant.name, ready=_seconds_to_ready(port, asked["multipart"]))
        loads = {form: self._form(port, question, tree) for form, question in asked.items()}
        for form, found in loads.items():
            figures.add(contestant.name, **{f"{form}_{name}": number for name, number in found.items()})
        pss, rss = tree.megabytes()
        half = loads["multipart"]["rate"] / 2
        print(f"  {contestant.name}: {2 * half:,.0f} a second", file=sys.stderr, flush=True)
        calm = open_loop(port, asked["multipart"], self.seconds, self.cores[1], half)
        figures.add(contestant.name, pss=pss, rss=rss, half_p50=calm.p50, half_p99=calm.p99)
        if contestant is US:
            figures.add(contestant.name, **self._ours(port, asked["multipart"], half, calm))

    def _form(self, port: int, question: Question, tree: Tree) -> dict[str, float]:
        self._closed(port, question, 1)  # warm
        before = tree.cpu_seconds()
        load = self._closed(port, question, self.seconds)
        cpu = 1e6 * (tree.cpu_seconds() - before) / load.answered  # microseconds
        return {"rate": load.rate, "p50": load.p50, "p99": load.p99, "cpu": cpu}

    def _ours(self, port: int, small: Question, half: float, calm: Load) -> dict[str, float]:
        """Measure what is asked of this service alone: batches of tensors, photographs, both kinds at once."""
        batches = self._closed(port, self.questions["batch"], self.seconds)
        large = self._closed(port, self.questions["large"], self.seconds, connections=1)
        seconds = max(5, self.seconds)  # for some photographs
        with ThreadPoolExecutor() as pool:
            photographs = pool.submit(
                open_loop, port, self.questions["large"], seconds, self.cores[1], LARGE_A_SECOND, connections=1
            )
            beside = open_loop(port, small, seconds, self.cores[1], half)
            photographs.result()
        return {"batch_pictures": BATCH * batches.rate, "large_p50": large.p50, "beside_large": beside.p99 / calm.p99}

    def _closed(self, port: int, question: Question, seconds: float, connections: int = 8) -> Load:
        return closed_loop(port, question, seconds, self.cores[1], connections)


def _seconds_to_ready(port: int, question: Question) -> float:
    """Return how long it takes from now to the first right answer."""
    begun = time.perf_counter()
    url = f"http://127.0.0.1:{port}{question.path}"
    request = urllib.request.Request(url, question.body.read_bytes(), dict(question.headers), method="POST")
    while time.perf_counter() - begun < _MOST_SECONDS_TO_READY:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                content = answer.read().decode("latin-1")
                assert re.search(question.expected, content), content
                return time.perf_counter() - begun
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise AssertionError(f"{url} does not answer")
