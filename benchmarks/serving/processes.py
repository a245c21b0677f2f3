"""A server with all its processes: started on one CPU core, measured, and stopped as a whole.

Some servers leave workers behind in their own process groups and sessions, which would slow down later measurements. So
each process is identified by a variable in its environment.
"""

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_MARK = "BENCHMARKED_SERVER"
_TICK = os.sysconf("SC_CLK_TCK")


def process_cpu_seconds(pid: int) -> float:
    """Return the user and system CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class ProcessTree:
    """The processes whose environment has one mark."""

    def __init__(self, mark: str) -> None:
        self._entry = f"{_MARK}={mark}".encode()

    def pids(self) -> list[int]:
        """Return the live processes."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._owns(entry)]

    def _owns(self, entry: Path) -> bool:
        try:
            return self._entry in (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # ended, or another user's
            return False

    def cpu_seconds(self) -> float:
        """Return the user and system CPU time of the live processes."""
        return sum(map(process_cpu_seconds, self.pids()))

    def megabytes(self) -> tuple[float, float]:
        """Return the total PSS, and the RSS of the largest process."""
        found = [_memory(pid) for pid in self.pids()]
        return sum(pss for pss, _ in found), max(rss for _, rss in found)

    def end(self, patience: float = 5) -> None:
        """Terminate all, kill after `patience` seconds, and check that none is left."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                try:
                    os.kill(pid, sent)
                except ProcessLookupError:
                    continue
            deadline = time.monotonic() + patience
            while self.pids():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        assert not self.pids(), f"these processes do not end: {self.pids()}"


def _memory(pid: int) -> tuple[float, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    pss, rss = (
        int(re.findall(rf"^{name}: +([0-9]+) kB$", text, re.MULTILINE)[0]) * 1024 / 1e6 for name in ("Pss", "Rss")
    )
    return pss, rss


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], core: int, log: IO[bytes], root: Path
) -> Iterator[ProcessTree]:
    """Run a server on the CPU `core` from the directory `root`, and leave no process behind."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command],
        cwd=root,
        env={**environ, _MARK: mark},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    tree = ProcessTree(mark)
    try:
        yield tree
    finally:
        tree.end()
        process.wait()
