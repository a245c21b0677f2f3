"""One round: start each server, measure it, stop it."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.processes import cpu_seconds, total
from benchmarks.serving.load import CONNECTIONS, MANY_CONNECTIONS, Load, Request, wrk
from benchmarks.serving.servers import OURS, Pids, Server, running
from benchmarks.serving.work import BATCH
from tests.server import ROOT

LARGE_A_SECOND = 2
_MOST_SECONDS_TO_READY = 60

Numbers = dict[str, float]  # of a server in a round, by metric


@dataclass(frozen=True)
class Bench:
    """Settings common to all rounds; `cores` are the CPU of the server and that of wrk."""

    requests: Mapping[str, Request]
    version: Path
    cores: Sequence[int]
    seconds: float

    def round(self, servers: Sequence[Server]) -> dict[str, Numbers]:
        """Measure each server once, and the work without a server."""
        found = {"no server": self._limits()}
        for server in servers:
            with running(server, self.version, self.cores[0]) as (port, pids):
                found[server.name] = self._measure(server, port, pids)
        return found

    def _limits(self) -> Numbers:
        arguments = [str(self.version), str(self.requests["raw"].body), str(min(2.0, self.seconds))]
        command = ["taskset", "--cpu-list", str(self.cores[0]), sys.executable, "-m", "benchmarks.serving.work"]
        output = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, check=True).stdout
        found = json.loads(output)
        return {"raw_rate": found["one"], "multipart_rate": found["one"], "batch_pictures": found["batch"]}

    def _measure(self, server: Server, port: int, pids: Pids) -> Numbers:
        asked = {form: replace(self.requests[form], path=path) for form, path in server.paths.items()}
        found = {"ready": _seconds_to_ready(port, asked["multipart"])}
        for form, request in asked.items():
            found |= {f"{form}_{name}": number for name, number in self._form(port, request, pids).items()}
        found["pss"] = sum(total([pid], "Pss", "smaps_rollup") for pid in pids()) * 1024e-6
        found["rss"] = max(total([pid], "Rss", "smaps_rollup") for pid in pids()) * 1024e-6
        half = found["multipart_rate"] / 2
        print(f"  {server.name}: {2 * half:,.0f} a second", file=sys.stderr, flush=True)
        calm = self._wrk(port, asked["multipart"], MANY_CONNECTIONS, half)
        found |= {"half_p50": calm.p50, "half_p99": calm.p99}
        return found | (self._ours(port, asked["multipart"], half, calm) if server is OURS else {})

    def _form(self, port: int, request: Request, pids: Pids) -> Numbers:
        self._wrk(port, request, seconds=1)  # warm-up
        before = cpu_seconds(pids())
        load = self._wrk(port, request)
        cpu = 1e6 * (cpu_seconds(pids()) - before) / load.answered  # microseconds
        return {"rate": load.rate, "p50": load.p50, "p99": load.p99, "cpu": cpu}

    def _ours(self, port: int, small: Request, half: float, calm: Load) -> Numbers:
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
