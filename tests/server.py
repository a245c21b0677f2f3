"""The real service in a separate process, for tests and benchmarks."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

ROOT = Path(__file__).parent.parent
SERVED = Path(os.environ.get("SERVED_CHECKOUT", ROOT))  # another checkout, for comparison


T = TypeVar("T")


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def multipart(files: list[tuple[str, bytes]], boundary: str = "b") -> tuple[bytes, dict[str, str]]:
    """Return a form body with these fields and files, and its Content-Type header."""
    head = '--{}\r\nContent-Disposition: form-data; name="{}"; filename="f"\r\nContent-Type: image/png\r\n\r\n'
    parts = (head.format(boundary, name).encode() + content + b"\r\n" for name, content in files)
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def children(pid: int) -> list[int]:
    """Return the PIDs of the children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


class Server:
    """`python -m service`, or another module, on a free port. `settings` are the variables without their prefix."""

    def __init__(self, log: IO[bytes], module: str = "service", **settings: object) -> None:
        self.port = free_port()
        given = {"BIND": f"127.0.0.1:{self.port}", "PROVIDER": "cpu", "WORKERS": 1, **settings}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=SERVED,
            env=inherited | {f"DIGITS_{name}": str(value) for name, value in given.items()},
            stdout=log,
            stderr=log,
        )

    def connect(self) -> http.client.HTTPConnection:
        """Return a keep-alive connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of the answer to one request on a new connection."""
        with closing(self.connect()) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def wait_for(self, path: str, status: int = 200, seconds: float = 20) -> Any:
        """Return the answer of `path` once it has that status."""

        def asked() -> tuple[int | None, Any]:
            with suppress(OSError):
                return self.request("GET", path)
            return None, None

        return self._until(asked, lambda found: found[0] == status, seconds, f"{status} from {path}")[1]

    def workers(self) -> list[int]:
        """Return the PIDs of the workers."""
        return children(self.process.pid)

    def wait_for_workers(self, count: int, seconds: float = 20) -> list[int]:
        """Return the PIDs of the workers once there are so many; the first one answers before the others."""
        return self._until(self.workers, lambda found: len(found) == count, seconds, f"{count} workers")

    def wait_for_ready_workers(self, count: int, seconds: float = 20) -> None:
        """Wait until so many workers serve a model; connections made earlier go to the first ones."""
        ready = partial(self.metric, "digits_workers_ready")
        self._until(ready, lambda found: found == count, seconds, f"{count} ready workers")
        time.sleep(0.3)  # a worker reports ready slightly before it accepts connections

    def _until(self, ask: Callable[[], T], enough: Callable[[T], bool], seconds: float, wanted: str) -> T:
        """Return the first answer of `ask` that is `enough`; fail with the log if the server ends before."""
        deadline = time.monotonic() + seconds
        while not enough(found := ask()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{wanted} did not come, but {found}; the log:\n{self.read_log()}")
            time.sleep(0.005)
        return found

    def metric(self, name: str) -> float:
        """Return the value of a metric without labels, over all workers."""
        with closing(self.connect()) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"no metric {name}"
        return float(found[1])

    def stop(self, sent: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal, wait for the end and return the exit status."""
        self.process.send_signal(sent)
        return self.process.wait(seconds)

    def read_log(self) -> str:
        """Return the log so far."""
        self.log.seek(0)
        return self.log.read().decode()


@contextmanager
def running(module: str = "service", **settings: object) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    with tempfile.TemporaryFile() as log:
        server = Server(log, module, **settings)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.process.terminate()
                try:
                    server.process.wait(10)
                except subprocess.TimeoutExpired:
                    server.process.kill()
                    server.process.wait()


@contextmanager
def serving(**settings: object) -> Iterator[Server]:
    """Start a server, wait until it serves a model, and stop it at the end."""
    with running("service", **settings) as server:
        server.wait_for("/readyz")
        yield server
