"""Machines and money for a request rate, from the measured cost of a request and stated assumptions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

RATES = (1_000, 100_000, 10_000_000)


@dataclass(frozen=True)
class Cost:
    """A request as `cost` measured it, with `images` in one request; `rate` below counts images."""

    name: str
    cpu_seconds: float
    bytes_in: int
    bytes_out: int
    images: int = 1


@dataclass(frozen=True)
class Assumptions:
    """Inputs that are not measured here; deploy/CAPACITY.md gives sources and dates. Replace them by your own."""

    busy: float = 0.6  # target utilisation of workers, proxies and network cards, which keeps queues short
    vcpus: int = 64  # of a machine
    nic_gigabits: float = 30  # of a machine, each direction
    usd_vcpu_hour: float = 0.041
    usd_gigabyte_balanced: float = 0.006
    usd_gigabyte_sent: float = 0.09
    hours_a_month: float = 730
    proxy_requests: float = 20_000  # small requests a second per core, with TLS
    proxy_bytes: float = 240e6  # bytes a second per core
    overhead: int = 300  # bytes of TCP, IP and TLS for a small request and its answer, half each way


COSTS = (
    Cost("tensor, 1", 0.72e-3, 1_097, 423),
    Cost("tensor, 256", 9.75e-3, 201_025, 10_630, 256),
    Cost("28x28 PNG", 3.92e-3, 259, 430),
    Cost("512x512 PNG", 16.9e-3, 364_666, 429),
    Cost("12 MP JPEG", 22.0e-3, 489_867, 432),
)


def rows(assumed: Assumptions) -> Iterator[str]:
    """Yield the lines of the table, one for each rate and kind."""
    yield "| images/s | sent as | service: vCPUs, machines | proxies | Gbit/s in | USD a month: both, balancer, sent |"
    yield "|---|---|---|---|---|---|"
    for rate in RATES:
        for cost in COSTS:
            yield _row(rate, cost, assumed)


def _row(rate: int, cost: Cost, assumed: Assumptions) -> str:
    requests = rate / cost.images
    transferred = cost.bytes_in + cost.bytes_out + assumed.overhead
    gigabits = requests * (cost.bytes_in + assumed.overhead / 2) * 8 / 1e9
    service = requests * cost.cpu_seconds / assumed.busy
    proxy = requests * (1 / assumed.proxy_requests + transferred / assumed.proxy_bytes) / assumed.busy
    by_network = gigabits / (assumed.nic_gigabits * assumed.busy)
    machines = [max(vcpus / assumed.vcpus, by_network) for vcpus in (service, proxy)]  # perhaps fractions
    money = ", ".join(
        f"{_rounded(value):,}" for value in _usd(requests, transferred, cost.bytes_out, machines, assumed)
    )
    return (
        f"| {rate:,} | {cost.name} | {_rounded(service):,}, {_rounded(machines[0]):,} "
        f"| {_rounded(proxy):,}, {_rounded(machines[1]):,} | {_shown(gigabits)} | {money} |"
    )


def _usd(
    requests: float, transferred: float, bytes_out: int, machines: list[float], assumed: Assumptions
) -> tuple[float, float, float]:
    gigabytes = requests / 1e9 * 3600 * assumed.hours_a_month
    return (
        sum(machines) * assumed.vcpus * assumed.usd_vcpu_hour * assumed.hours_a_month,
        gigabytes * transferred * assumed.usd_gigabyte_balanced,
        gigabytes * (bytes_out + assumed.overhead / 2) * assumed.usd_gigabyte_sent,
    )


def _rounded(value: float) -> int:
    """Round up to two significant figures; more would suggest false precision."""
    step = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return math.ceil(value / step) * step


def _shown(value: float) -> str:
    return f"{_rounded(value):,}" if value >= 10 else f"{value:.2g}"
