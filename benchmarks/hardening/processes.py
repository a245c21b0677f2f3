"""Resources of the workers, from /proc."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.server import Server

_MEBI = 1 << 20


@dataclass(frozen=True)
class Usage:
    """Totals of all workers; memory is private memory in bytes."""

    memory: int
    files: int
    threads: int


def usage(server: Server) -> Usage:
    """Return the current usage of the workers."""
    pids = server.workers()
    return Usage(sum(map(_private, pids)), sum(map(_files, pids)), sum(map(_threads, pids)))


def reset_peak(server: Server) -> None:
    """Reset the kernel's peak memory counter of each worker."""
    for pid in server.workers():
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def peak(server: Server) -> int:
    """Return the total peak resident memory since `reset_peak`, in bytes."""
    return sum(_status(pid, "VmHWM") << 10 for pid in server.workers())


def resident(server: Server) -> int:
    """Return the total resident memory of the workers, in bytes."""
    return sum(_status(pid, "VmRSS") << 10 for pid in server.workers())


def wait_until_quiet(server: Server, seconds: float = 10) -> None:
    """Wait until the workers use almost no CPU, at most `seconds`."""
    deadline = time.monotonic() + seconds
    before = _ticks(server)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        before, now = _ticks(server), before
        if before - now <= 2:
            return


def mebi(size: float) -> str:
    """Return a size in bytes as text."""
    return f"{size / _MEBI:.1f} MB"


def _private(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(("Private_", "Swap:")))


def _files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _threads(pid: int) -> int:
    return _status(pid, "Threads")


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:"))


def _ticks(server: Server) -> int:
    return sum(sum(map(int, Path(f"/proc/{pid}/stat").read_text("ascii").split()[13:15])) for pid in server.workers())
