"""One round: start each server, measure it, stop it."""

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

from benchmarks.serving.load import Load, Request, closed_loop, open_loop
from benchmarks.serving.processes import ProcessTree, started
from benchmarks.serving.servers import OURS, Server, environ_of, python_of
from benchmarks.serving.work import BATCH
from tests.server import ROOT, free_port

LARGE_A_SECOND = 2
_MOST_SECONDS_TO_READY = 60


class Results:
    """Measurements: one number a round for each server and metric."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, server: str, **numbers: float) -> None:
        """Add a round's numbers."""
        for what, number in numbers.items():
            self._found[server, what].append(number)

    def servers(self) -> list[str]:
        """Return the servers in the order of their first measurement."""
        return list(dict.fromkeys(server for server, _ in self._found))

    def median(self, server: str, what: str) -> float | None:
        """Return the median over the rounds, None if not measured."""
        found = self._found.get((server, what))
        return statistics.median(found) if found else None

    def median_ratio(self, server: str, other: str, what: str) -> float | None:
        """Return the median over the rounds of the ratio of two servers in the same round."""
        ours, theirs = self._found.get((server, what), []), self._found.get((other, what), [])
        ratios = [number / others for number, others in zip(ours, theirs, strict=False)]
        return statistics.median(ratios) if ratios else None


@dataclass
class Bench:
    """Settings common to all rounds."""

    requests: Mapping[str, Request]
    version: Path
    environments: Path
    cores: Sequence[int]
    seconds: float
    _pythons: dict[str, Path] = field(default_factory=dict)

    def prepare(self, servers: Sequence[Server]) -> None:
        """Install missing peers."""
        self._pythons = {each.name: python_of(each, self.environments) for each in servers}

    def round(self, servers: Sequence[Server], results: Results) -> None:
        """Measure each server once, and the work without a server."""
        results.add("no server", **self._limits())
        for server in servers:
            port = free_port()
            command = server.command(self._pythons[server.name], port)
            environ = environ_of(server, port, self.version)
            with tempfile.TemporaryFile() as log, started(command, environ, self.cores[0], log, ROOT) as tree:
                try:
                    self._measure(server, port, tree, results)
                except Exception:
                    log.seek(0)
                    sys.stderr.write(log.read().decode(errors="replace"))
                    raise

    def _limits(self) -> dict[str, float]:
        arguments = [str(self.version), str(self.requests["raw"].body), str(min(2.0, self.seconds))]
        command = ["taskset", "--cpu-list", str(self.cores[0]), sys.executable, "-m", "benchmarks.serving.work"]
        output = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, check=True).stdout
        found = json.loads(output)
        return {"raw_rate": found["one"], "multipart_rate": found["one"], "batch_pictures": found["batch"]}

    def _measure(self, server: Server, port: int, tree: ProcessTree, results: Results) -> None:
        asked = {form: replace(self.requests[form], path=path) for form, path in server.paths.items()}
        results.add(server.name, ready=_seconds_to_ready(port, asked["multipart"]))
        loads = {form: self._form(port, request, tree) for form, request in asked.items()}
        for form, found in loads.items():
            results.add(server.name, **{f"{form}_{name}": number for name, number in found.items()})
        pss, rss = tree.megabytes()
        half = loads["multipart"]["rate"] / 2
        print(f"  {server.name}: {2 * half:,.0f} a second", file=sys.stderr, flush=True)
        calm = open_loop(port, asked["multipart"], self.seconds, self.cores[1], half)
        results.add(server.name, pss=pss, rss=rss, half_p50=calm.p50, half_p99=calm.p99)
        if server is OURS:
            results.add(server.name, **self._ours(port, asked["multipart"], half, calm))

    def _form(self, port: int, request: Request, tree: ProcessTree) -> dict[str, float]:
        self._closed(port, request, 1)  # warm-up
        before = tree.cpu_seconds()
        load = self._closed(port, request, self.seconds)
        cpu = 1e6 * (tree.cpu_seconds() - before) / load.answered  # microseconds
        return {"rate": load.rate, "p50": load.p50, "p99": load.p99, "cpu": cpu}

    def _ours(self, port: int, small: Request, half: float, calm: Load) -> dict[str, float]:
        """Measure what only this service is measured for: tensor batches, photographs, both kinds at once."""
        batches = self._closed(port, self.requests["batch"], self.seconds)
        large = self._closed(port, self.requests["large"], self.seconds, connections=1)
        seconds = max(5, self.seconds)  # enough for some photographs
        with ThreadPoolExecutor() as pool:
            photographs = pool.submit(
                open_loop, port, self.requests["large"], seconds, self.cores[1], LARGE_A_SECOND, connections=1
            )
            beside = open_loop(port, small, seconds, self.cores[1], half)
            photographs.result()
        return {"batch_pictures": BATCH * batches.rate, "large_p50": large.p50, "beside_large": beside.p99 / calm.p99}

    def _closed(self, port: int, request: Request, seconds: float, connections: int = 8) -> Load:
        return closed_loop(port, request, seconds, self.cores[1], connections)


def _seconds_to_ready(port: int, request: Request) -> float:
    """Return the seconds until the first correct answer."""
    begun = time.perf_counter()
    url = f"http://127.0.0.1:{port}{request.path}"
    post = urllib.request.Request(url, request.body.read_bytes(), dict(request.headers), method="POST")
    while time.perf_counter() - begun < _MOST_SECONDS_TO_READY:
        try:
            with urllib.request.urlopen(post, timeout=5) as answer:
                content = answer.read().decode("latin-1")
                assert re.search(request.expected, content), content
                return time.perf_counter() - begun
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise AssertionError(f"{url} does not answer")
