"""`python -m benchmarks.hardening.publisher MODELS SOURCE FAULT AT`: publish a version with an injected fault.

FAULT is an errno name or `kill`, at file system call number AT; `full` or `kill-full`, when a file grows beyond AT
bytes; `none` prints the number of calls.
"""

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from service.contract import MANIFEST_FILE, MODEL_NAME, Manifest
from training.release.publish import publish

_EVENTS = frozenset(
    ("open", "os.mkdir", "os.rename", "os.chmod", "os.remove", "os.rmdir", "os.listdir", "os.scandir", "os.truncate")
)


@dataclass
class Fault:
    """Counts the file system calls of this process below `models`, and makes number `at` fail."""

    models: str
    kind: str
    at: int
    calls: int = 0
    armed: bool = False

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Audit hook, called before each call (https://docs.python.org/3/library/audit_events.html)."""
        if self.armed and event in _EVENTS and str(arguments[0]).startswith(self.models):
            self.strike()

    def strike(self) -> None:
        """Count a call, and fail if it is number `at`."""
        self.calls += 1
        if self.calls - 1 != self.at or self.kind not in ("ENOSPC", "EIO", "kill"):
            return
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(getattr(errno, self.kind), os.strerror(getattr(errno, self.kind)))

    def around(self, call: Callable[[int], None]) -> Callable[[int], None]:
        """Wrap a call that has no audit event, so that it is counted too."""

        def counted(descriptor: int) -> None:
            self.strike()
            call(descriptor)

        return counted


def main(models: str, source: str, kind: str, at: int) -> int:
    """Publish the version in `source` as the next."""
    fault = Fault(models, kind, at)
    content = {path.name: path.read_bytes() for path in Path(source).iterdir()}
    manifest = Manifest.read(Path(source))

    def write(directory: Path, version: str) -> None:
        for name, data in content.items():
            if name != MANIFEST_FILE:
                (directory / name).write_bytes(data)
        replace(manifest, version=version).write(directory)

    os.fsync = fault.around(os.fsync)
    sys.addaudithook(fault.audit)
    if kind in ("full", "kill-full"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kind == "kill-full" else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))
    fault.armed = True
    publish(Path(models), MODEL_NAME, write)
    print(fault.calls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
