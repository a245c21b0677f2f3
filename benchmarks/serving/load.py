"""Load from wrk (https://github.com/wg/wrk), which costs little CPU beside any server here."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 8
_MANY_CONNECTIONS = 64  # of the open loop: enough that a slow server gets the full rate


@dataclass(frozen=True)
class Request:
    """A request: path, body file, headers, and a pattern that the correct answer matches.

    The pattern must mean the same to Lua and to Python.
    """

    path: str
    body: Path
    expected: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """Results: answers a second, and latency in milliseconds (median and 99th percentile)."""

    rate: float
    p50: float
    p99: float
    answered: int


def require_wrk() -> None:
    """Exit with a hint if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")


def closed_loop(
    port: int, request: Request, seconds: float, core: int, connections: int = CONNECTIONS, host: str = "127.0.0.1"
) -> Load:
    """Send requests over so many connections, each as soon as its answer is in, from the CPU `core`.

    Raises:
        AssertionError: an answer was wrong, or a connection broke.
    """
    return _wrk(f"{host}:{port}", request, seconds, core, connections, 0)


def open_loop(
    port: int, request: Request, seconds: float, core: int, rate: float, connections: int = _MANY_CONNECTIONS
) -> Load:
    """Send `rate` requests a second at random times, from the CPU `core`.

    Raises:
        AssertionError: an answer was wrong, or a connection broke.
    """
    return _wrk(f"127.0.0.1:{port}", request, seconds, core, connections, 1000 * connections / rate)


def _wrk(address: str, request: Request, seconds: float, core: int, connections: int, pause_ms: float) -> Load:
    headers = [part for header in request.headers.items() for part in header]
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "20s", "--script", str(SCRIPT)]
    command += [f"http://{address}{request.path}", "--"]
    command += [str(request.body), request.expected, str(pause_ms), *headers]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in output.stdout.splitlines() if line.startswith("{")]
    assert lines, f"wrk failed: {output.stdout} {output.stderr}"
    found = json.loads(lines[-1])
    assert found["answered"] > 0, f"{request.path}: no answer came: {found}"
    assert found["wrong"] == found["errors"] == 0, f"{request.path}: {found} {output.stderr}"
    return Load(found["answered"] / found["seconds"], found["p50"] / 1e3, found["p99"] / 1e3, found["answered"])
