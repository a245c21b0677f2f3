"""The results as tables, and each target with whether it is met."""

import argparse
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.load import CONNECTIONS
from benchmarks.serving.measure import LARGE_A_SECOND, Results
from benchmarks.serving.servers import OURS, SERVERS

_COLUMNS = {
    "multipart_rate": ("multipart /s", "{:,.0f}"),
    "multipart_p50": ("p50 ms", "{:.1f}"),
    "multipart_p99": ("p99 ms", "{:.1f}"),
    "multipart_cpu": ("CPU us", "{:.0f}"),
    "raw_rate": ("raw /s", "{:,.0f}"),
    "raw_p50": ("p50 ms", "{:.1f}"),
    "raw_p99": ("p99 ms", "{:.1f}"),
    "raw_cpu": ("CPU us", "{:.0f}"),
    "half_p50": ("half load p50 ms", "{:.2f}"),
    "half_p99": ("p99 ms", "{:.2f}"),
    "ready": ("ready s", "{:.2f}"),
    "pss": ("PSS MB", "{:.0f}"),
    "rss": ("largest RSS MB", "{:.0f}"),
}


@dataclass(frozen=True)
class Target:
    """A target: at least or at most `bound`; None if there is only a measurement."""

    what: str
    found: float | None
    bound: float | None
    at_least: bool = False

    def __str__(self) -> str:
        """Return a row of the table."""
        if self.found is None:
            return f"| {self.what} | not measured | {self._wanted} | |"
        if self.bound is None:
            return f"| {self.what} | {self.found:.2f} | | |"
        reached = self.found >= self.bound if self.at_least else self.found <= self.bound
        return f"| {self.what} | {self.found:.2f} | {self._wanted} | {'yes' if reached else 'no'} |"

    @property
    def _wanted(self) -> str:
        return "" if self.bound is None else f"{'at least' if self.at_least else 'at most'} {self.bound:g}"


def report(results: Results, options: argparse.Namespace) -> str:
    """Return all tables, in Markdown."""
    return "\n".join([_conditions(options), "", *_table(results), "", *_targets(results)])


def _conditions(options: argparse.Namespace) -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    processor = models[0].partition(": ")[2] if models else platform.machine()
    return (
        f"{processor}, Python {platform.python_version()}; a server on one core, wrk on another, {CONNECTIONS} "
        f"keep-alive connections; a PNG of 28x28, the int8 model; medians of {options.rounds} rounds of "
        f"{options.seconds:g} s in turns. CPU is the CPU time of all processes of a server per request. Half load "
        "is half of the server's own maximum, with random arrivals."
    )


def _table(results: Results) -> Iterator[str]:
    yield "| | " + " | ".join(title for title, _ in _COLUMNS.values()) + " |"
    yield "|---|" + "---|" * len(_COLUMNS)
    for server in results.servers():
        cells = [_cell(results.median(server, what), form) for what, (_, form) in _COLUMNS.items()]
        yield f"| {server} | " + " | ".join(cells) + " |"


def _cell(number: float | None, form: str) -> str:
    return "" if number is None else form.format(number)


def _targets(results: Results) -> Iterator[str]:
    yield "| target | measured | bound | met |"
    yield "|---|---|---|---|"
    yield from map(str, _against_peers(results))
    yield from map(str, _of_ours(results))


def _against_peers(results: Results) -> Iterator[Target]:
    bounds = {"fastapi": 1.25, "litserve": 3, "bentoml": 3}
    for peer, bound in bounds.items():
        ratio = results.median_ratio(OURS.name, peer, "multipart_rate")
        yield Target(f"multipart, times the requests of {peer}", ratio, bound, at_least=True)
    raw = results.median_ratio(OURS.name, "fastapi", "raw_rate")
    yield Target("raw body, times the requests of fastapi", raw, 1, at_least=True)
    for form in ("multipart", "raw"):
        rates = [results.median(peer.name, f"{form}_rate") for peer in SERVERS if peer is not OURS]
        best, ours = max((rate for rate in rates if rate), default=None), results.median(OURS.name, f"{form}_rate")
        yield Target(f"{form}, times the best peer", ours / best if best and ours else None, None)


def _of_ours(results: Results) -> Iterator[Target]:
    def of(what: str) -> float | None:
        return results.median(OURS.name, what)

    p50, p99 = of("half_p50"), of("half_p99")
    yield Target("half load, p99 by p50", p99 / p50 if p50 and p99 else None, 3)
    batches = results.median_ratio(OURS.name, "no server", "batch_pictures")
    yield Target("binary tensors of 256, share of the bare session's images", batches, 0.8, at_least=True)
    for form in ("multipart", "raw"):
        share = results.median_ratio(OURS.name, "no server", f"{form}_rate")
        yield Target(f"{form}, share of the work without a server", share, None)
    yield Target("12 megapixels, JPEG of 4.5 MB, ms", of("large_p50"), 60)
    yield Target(f"p99 of half load beside {LARGE_A_SECOND} of these a second, times that alone", of("beside_large"), 3)
    yield Target("first answer after the start, s", of("ready"), 1)
    yield Target("RSS of the largest process, MB", of("rss"), 100)
