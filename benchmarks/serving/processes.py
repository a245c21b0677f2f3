"""A server with all its processes: started on one CPU core, and stopped as a whole.

Some servers leave workers behind in their own process groups and sessions, which would slow down later measurements. So
each process is identified by a variable in its environment.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.server import ROOT

_MARK = "BENCHMARKED_SERVER"
_PATIENCE = 5  # seconds after a signal


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], core: int, log: IO[bytes]
) -> Iterator[Callable[[], list[int]]]:
    """Run a server on the CPU `core`, and leave no process behind; yield a function that lists its live processes."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command],
        cwd=ROOT,
        env={**environ, _MARK: mark},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield lambda: _marked(mark)
    finally:
        _end(mark)
        process.wait()


def _marked(mark: str) -> list[int]:
    entry = f"{_MARK}={mark}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended, or another user's
            if entry in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def _end(mark: str) -> None:
    """Terminate all, kill those that are left after a while, and check that none is left."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        deadline = time.monotonic() + _PATIENCE
        while _marked(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert not _marked(mark), f"these processes do not end: {_marked(mark)}"
