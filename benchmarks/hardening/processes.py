"""What the workers take, as the kernel counts it."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.server import Server

_MEBI = 1 << 20


@dataclass(frozen=True)
class Usage:
    """Of all workers together; memory is what is theirs alone, in bytes."""

    memory: int
    files: int
    threads: int


def usage(server: Server) -> Usage:
    """Return what the workers of a server take now."""
    pids = server.workers()
    return Usage(sum(map(_private, pids)), sum(map(_files, pids)), sum(map(_threads, pids)))


def reset_peak(server: Server) -> None:
    """Let the kernel begin anew to keep the most memory that each worker has had."""
    for pid in server.workers():
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def peak(server: Server) -> int:
    """Return the most resident memory that the workers have had since, together, in bytes."""
    return sum(_status(pid, "VmHWM") << 10 for pid in server.workers())


def resident(server: Server) -> int:
    """Return the resident memory of the workers now, together, in bytes."""
    return sum(_status(pid, "VmRSS") << 10 for pid in server.workers())


def wait_until_quiet(server: Server, seconds: float = 10) -> None:
    """Return when the workers have used next to no processor time for a while, or after so many seconds."""
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
