"""CPU time, memory, descriptors and threads of processes, from /proc."""

import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.server import Server

_TICK = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Totals of all workers; memory is private memory in bytes."""

    memory: int
    files: int
    threads: int


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the user and system CPU time of the processes so far."""
    stats = (Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICK


def total(pids: Sequence[int], name: str, file: str = "status") -> int:
    """Return the sum of the lines `name`, a regular expression, over the processes; memory is in KiB."""
    texts = (Path(f"/proc/{pid}/{file}").read_text("ascii") for pid in pids)
    return sum(int(found) for text in texts for found in re.findall(rf"^{name}:\s+(\d+)", text, re.MULTILINE))


def usage_at_rest(server: Server, *, wait: float = 0) -> Usage:
    """Return the usage of the workers `wait` seconds after they use almost no CPU, or after 10 s at the latest."""
    pids, deadline, before = server.workers(), time.monotonic() + 10, -math.inf
    while (now := cpu_seconds(pids)) - before > 0.02 and time.monotonic() < deadline:
        time.sleep(0.5)
        before = now
    time.sleep(wait)
    private = total(pids, r"(?:Private_\w+|Swap)", "smaps_rollup") << 10
    files = sum(len([*Path(f"/proc/{pid}/fd").iterdir()]) for pid in pids)
    return Usage(private, files, total(pids, "Threads"))


def reset_peak(server: Server) -> None:
    """Reset the kernel's peak memory counter of each worker."""
    for pid in server.workers():
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def mebi(size: float) -> str:
    """Return a size in bytes as text."""
    return f"{size / (1 << 20):.1f} MB"
