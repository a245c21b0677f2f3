"""The results as tables, and each target with whether it is met."""

import argparse
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import median

from benchmarks.serving.load import CONNECTIONS
from benchmarks.serving.measure import LARGE_A_SECOND
from benchmarks.serving.servers import OURS, SERVERS
from training.markdown import table
from training.release.report import machine

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
class Results:
    """The numbers of each round, by server and metric."""

    rounds: Sequence[Mapping[str, Mapping[str, float]]]

    def median(self, server: str, what: str) -> float:
        """Return the median over the rounds, NaN if not measured."""
        found = [each[server][what] for each in self.rounds if what in each.get(server, {})]
        return median(found) if found else nan

    def ratio(self, other: str, what: str) -> float:
        """Return the median over the rounds of the ratio of this service to another in the same round."""
        pairs = [(each[OURS.name], each.get(other, {})) for each in self.rounds]
        ratios = [ours[what] / theirs[what] for ours, theirs in pairs if what in theirs]
        return median(ratios) if ratios else nan

    def report(self, options: argparse.Namespace) -> str:
        """Return all tables, in Markdown."""
        servers = [
            [server, *(_cell(self.median(server, what), form) for what, (_, form) in _COLUMNS.items())]
            for server in self.rounds[0]
        ]
        return "\n\n".join(
            [
                f"{machine()}, Python {platform.python_version()}; a server on one core, wrk on another, {CONNECTIONS} "
                f"keep-alive connections; a PNG of 28x28, the int8 model; medians of {options.rounds} rounds of "
                f"{options.seconds:g} s in turns. CPU is the CPU time of all processes of a server per request. Half "
                "load is half of the server's own maximum, with random arrivals.",
                table(["", *(title for title, _ in _COLUMNS.values())], servers),
                table(["target", "measured", "bound", "met"], self._targets()),
            ]
        )

    def _targets(self) -> Iterator[list[str]]:
        for peer, bound in {"fastapi": 1.25, "litserve": 3, "bentoml": 3}.items():
            yield _least(f"multipart, times the requests of {peer}", self.ratio(peer, "multipart_rate"), bound)
        yield _least("raw body, times the requests of fastapi", self.ratio("fastapi", "raw_rate"), 1)
        ours = {what: self.median(OURS.name, what) for what in self.rounds[0][OURS.name]}
        for form in ("multipart", "raw"):
            rates = [self.median(peer.name, f"{form}_rate") for peer in SERVERS if peer is not OURS]
            best = max((rate for rate in rates if not isnan(rate)), default=nan)
            yield _target(f"{form}, times the best peer", ours[f"{form}_rate"] / best)
        yield _most("half load, p99 by p50", ours["half_p99"] / ours["half_p50"], 3)
        batches = self.ratio("no server", "batch_pictures")
        yield _least("binary tensors of 256, share of the bare session's images", batches, 0.8)
        for form in ("multipart", "raw"):
            yield _target(f"{form}, share of the work without a server", self.ratio("no server", f"{form}_rate"))
        yield _most("12 megapixels, JPEG of 4.5 MB, ms", ours["large_p50"], 60)
        beside = f"p99 of half load beside {LARGE_A_SECOND} of these a second, times that alone"
        yield _most(beside, ours["beside_large"], 3)
        yield _most("first answer after the start, s", ours["ready"], 1)
        yield _most("RSS of the largest process, MB", ours["rss"], 100)


def _cell(number: float, form: str) -> str:
    return "" if isnan(number) else form.format(number)


def _target(what: str, found: float, bound: str = "", *, met: bool = True) -> list[str]:
    """Return a row of the targets; without a bound there is only a measurement."""
    verdict = "" if isnan(found) or not bound else "yes" if met else "no"
    return [what, _cell(found, "{:.2f}") or "not measured", bound, verdict]


def _least(what: str, found: float, bound: float) -> list[str]:
    return _target(what, found, f"at least {bound:g}", met=found >= bound)


def _most(what: str, found: float, bound: float) -> list[str]:
    return _target(what, found, f"at most {bound:g}", met=found <= bound)
