"""The results as tables, and each target with whether it is met."""

import argparse
import platform
from collections.abc import Iterator

from benchmarks.serving.load import CONNECTIONS
from benchmarks.serving.measure import LARGE_A_SECOND, Results
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


def report(results: Results, options: argparse.Namespace) -> str:
    """Return all tables, in Markdown."""
    servers = [
        [server, *(_cell(results.median(server, what), form) for what, (_, form) in _COLUMNS.items())]
        for server in results.servers()
    ]
    targets = [*_against_peers(results), *_of_ours(results)]
    return "\n\n".join(
        [
            f"{machine()}, Python {platform.python_version()}; a server on one core, wrk on another, {CONNECTIONS} "
            f"keep-alive connections; a PNG of 28x28, the int8 model; medians of {options.rounds} rounds of "
            f"{options.seconds:g} s in turns. CPU is the CPU time of all processes of a server per request. Half load "
            "is half of the server's own maximum, with random arrivals.",
            table(["", *(title for title, _ in _COLUMNS.values())], servers),
            table(["target", "measured", "bound", "met"], targets),
        ]
    )


def _cell(number: float | None, form: str) -> str:
    return "" if number is None else form.format(number)


def _target(what: str, found: float | None, bound: float | None = None, *, at_least: bool = False) -> list[str]:
    """Return a row of the targets; without a bound there is only a measurement."""
    wanted = "" if bound is None else f"{'at least' if at_least else 'at most'} {bound:g}"
    if found is None or bound is None:
        return [what, "not measured" if found is None else f"{found:.2f}", wanted, ""]
    reached = found >= bound if at_least else found <= bound
    return [what, f"{found:.2f}", wanted, "yes" if reached else "no"]


def _against_peers(results: Results) -> Iterator[list[str]]:
    for peer, bound in {"fastapi": 1.25, "litserve": 3, "bentoml": 3}.items():
        ratio = results.median_ratio(OURS.name, peer, "multipart_rate")
        yield _target(f"multipart, times the requests of {peer}", ratio, bound, at_least=True)
    raw = results.median_ratio(OURS.name, "fastapi", "raw_rate")
    yield _target("raw body, times the requests of fastapi", raw, 1, at_least=True)
    for form in ("multipart", "raw"):
        rates = [results.median(peer.name, f"{form}_rate") for peer in SERVERS if peer is not OURS]
        best, ours = max((rate for rate in rates if rate), default=None), results.median(OURS.name, f"{form}_rate")
        yield _target(f"{form}, times the best peer", ours / best if best and ours else None)


def _of_ours(results: Results) -> Iterator[list[str]]:
    def of(what: str) -> float | None:
        return results.median(OURS.name, what)

    p50, p99 = of("half_p50"), of("half_p99")
    yield _target("half load, p99 by p50", p99 / p50 if p50 and p99 else None, 3)
    batches = results.median_ratio(OURS.name, "no server", "batch_pictures")
    yield _target("binary tensors of 256, share of the bare session's images", batches, 0.8, at_least=True)
    for form in ("multipart", "raw"):
        share = results.median_ratio(OURS.name, "no server", f"{form}_rate")
        yield _target(f"{form}, share of the work without a server", share)
    yield _target("12 megapixels, JPEG of 4.5 MB, ms", of("large_p50"), 60)
    yield _target(
        f"p99 of half load beside {LARGE_A_SECOND} of these a second, times that alone", of("beside_large"), 3
    )
    yield _target("first answer after the start, s", of("ready"), 1)
    yield _target("RSS of the largest process, MB", of("rss"), 100)
