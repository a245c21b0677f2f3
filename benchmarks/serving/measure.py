"""One round: start each server, measure it, stop it."""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.processes import cpu_seconds, total
from benchmarks.serving.load import CONNECTIONS, MANY_CONNECTIONS, Load, Request, wrk
from benchmarks.serving.processes import started
from benchmarks.serving.servers import OURS, Server, command_of, environ_of
from benchmarks.serving.work import BATCH
from tests.server import ROOT, free_port

LARGE_A_SECOND = 2
_MOST_SECONDS_TO_READY = 60

Pids = Callable[[], list[int]]


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


@dataclass(frozen=True)
class Bench:
    """Settings common to all rounds; `cores` are the CPU of the server and that of wrk."""

    requests: Mapping[str, Request]
    version: Path
    cores: Sequence[int]
    seconds: float

    def round(self, servers: Sequence[Server], results: Results) -> None:
        """Measure each server once, and the work without a server."""
        results.add("no server", **self._limits())
        for server in servers:
            port = free_port()
            command = command_of(server, port)
            environ = environ_of(server, port, self.version)
            with tempfile.TemporaryFile() as log, started(command, environ, self.cores[0], log) as pids:
                try:
                    self._measure(server, port, pids, results)
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

    def _measure(self, server: Server, port: int, pids: Pids, results: Results) -> None:
        asked = {form: replace(self.requests[form], path=path) for form, path in server.paths.items()}
        results.add(server.name, ready=_seconds_to_ready(port, asked["multipart"]))
        loads = {form: self._form(port, request, pids) for form, request in asked.items()}
        for form, found in loads.items():
            results.add(server.name, **{f"{form}_{name}": number for name, number in found.items()})
        kilobytes = [[total([pid], name, "smaps_rollup") for pid in pids()] for name in ("Pss", "Rss")]
        half = loads["multipart"]["rate"] / 2
        print(f"  {server.name}: {2 * half:,.0f} a second", file=sys.stderr, flush=True)
        calm = self._wrk(port, asked["multipart"], MANY_CONNECTIONS, half)
        results.add(server.name, pss=sum(kilobytes[0]) * 1024e-6, rss=max(kilobytes[1]) * 1024e-6)
        results.add(server.name, half_p50=calm.p50, half_p99=calm.p99)
        if server is OURS:
            results.add(server.name, **self._ours(port, asked["multipart"], half, calm))

    def _form(self, port: int, request: Request, pids: Pids) -> dict[str, float]:
        self._wrk(port, request, seconds=1)  # warm-up
        before = cpu_seconds(pids())
        load = self._wrk(port, request)
        cpu = 1e6 * (cpu_seconds(pids()) - before) / load.answered  # microseconds
        return {"rate": load.rate, "p50": load.p50, "p99": load.p99, "cpu": cpu}

    def _ours(self, port: int, small: Request, half: float, calm: Load) -> dict[str, float]:
        """Measure what only this service is measured for: tensor batches, photographs, both kinds at once."""
        batches = self._wrk(port, self.requests["batch"])
        photograph = self.requests["large"]
        large = self._wrk(port, photograph, 1)
        seconds = max(5, self.seconds)  # enough for some photographs
        with ThreadPoolExecutor() as pool:
            photographs = pool.submit(self._wrk, port, photograph, 1, LARGE_A_SECOND, seconds)
            beside = self._wrk(port, small, MANY_CONNECTIONS, half, seconds)
            photographs.result()
        return {"batch_pictures": BATCH * batches.rate, "large_p50": large.p50, "beside_large": beside.p99 / calm.p99}

    def _wrk(
        self, port: int, request: Request, connections: int = CONNECTIONS, rate: float = 0, seconds: float = 0
    ) -> Load:
        return wrk(port, request, seconds or self.seconds, self.cores[1], connections, rate=rate)


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
        except OSError:
            time.sleep(0.01)
    raise AssertionError(f"{url} does not answer")
