"""The figures as tables, and beside each mark whether it is reached."""

import argparse
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.contestants import CONTESTANTS, US
from benchmarks.serving.load import CONNECTIONS
from benchmarks.serving.measure import LARGE_A_SECOND, Figures

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
class Mark:
    """What is to be reached: at least, or at most, `bound`; None where nothing is asked for."""

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


def report(figures: Figures, options: argparse.Namespace) -> str:
    """Return all tables, in Markdown."""
    return "\n".join([_conditions(options), "", *_table(figures), "", *_marks(figures)])


def _conditions(options: argparse.Namespace) -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    processor = models[0].partition(": ")[2] if models else platform.machine()
    return (
        f"{processor}, Python {platform.python_version()}; a server on one processor, wrk on another, {CONNECTIONS} "
        f"connections kept alive; a PNG of 28x28, the int8 model; medians of {options.rounds} rounds of "
        f"{options.seconds:g} s in turns. CPU is the processor time a request of all processes of a server. Half load "
        "is half of the server's own most, asked at random moments."
    )


def _table(figures: Figures) -> Iterator[str]:
    yield "| | " + " | ".join(title for title, _ in _COLUMNS.values()) + " |"
    yield "|---|" + "---|" * len(_COLUMNS)
    for server in figures.servers():
        cells = [_cell(figures.median(server, what), form) for what, (_, form) in _COLUMNS.items()]
        yield f"| {server} | " + " | ".join(cells) + " |"


def _cell(number: float | None, form: str) -> str:
    return "" if number is None else form.format(number)


def _marks(figures: Figures) -> Iterator[str]:
    yield "| mark | found | bound | reached |"
    yield "|---|---|---|---|"
    yield from map(str, _against_peers(figures))
    yield from map(str, _of_ours(figures))


def _against_peers(figures: Figures) -> Iterator[Mark]:
    bounds = {"fastapi": 1.25, "litserve": 3, "bentoml": 3}
    for peer, bound in bounds.items():
        ratio = figures.median_ratio(US.name, peer, "multipart_rate")
        yield Mark(f"multipart, times the requests of {peer}", ratio, bound, at_least=True)
    raw = figures.median_ratio(US.name, "fastapi", "raw_rate")
    yield Mark("raw body, times the requests of fastapi", raw, 1, at_least=True)
    for form in ("multipart", "raw"):
        rates = [figures.median(peer.name, f"{form}_rate") for peer in CONTESTANTS if peer is not US]
        best, ours = max((rate for rate in rates if rate), default=None), figures.median(US.name, f"{form}_rate")
        yield Mark(f"{form}, times the best peer", ours / best if best and ours else None, None)


def _of_ours(figures: Figures) -> Iterator[Mark]:
    def of(what: str) -> float | None:
        return figures.median(US.name, what)

    p50, p99 = of("half_p50"), of("half_p99")
    yield Mark("half load, p99 by p50", p99 / p50 if p50 and p99 else None, 3)
    batches = figures.median_ratio(US.name, "no server", "batch_pictures")
    yield Mark("binary tensors of 256, share of the bare session's images", batches, 0.8, at_least=True)
    for form in ("multipart", "raw"):
        share = figures.median_ratio(US.name, "no server", f"{form}_rate")
        yield Mark(f"{form}, share of the work without a server", share, None)
    yield Mark("12 megapixels, JPEG of 4.5 MB, ms", of("large_p50"), 60)
    yield Mark(f"p99 of half load beside {LARGE_A_SECOND} of these a second, times that alone", of("beside_large"), 3)
    yield Mark("first answer after the start, s", of("ready"), 1)
    yield Mark("RSS of the largest process, MB", of("rss"), 100)
