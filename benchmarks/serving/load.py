"""Load from wrk (https://github.com/wg/wrk), which costs little CPU beside any server here."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 8
MANY_CONNECTIONS = 64  # for a rate: enough that a slow server gets the full one


@dataclass(frozen=True)
class Request:
    """A request: path, body file, headers, and a pattern that the correct answer matches.

    The pattern must mean the same to Lua and to Python.
    """

    path: str
    body: Path
    expected: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Load(NamedTuple):
    """Results: answers a second, and latency in milliseconds (median and 99th percentile)."""

    rate: float
    p50: float
    p99: float
    answered: int


def require_wrk() -> None:
    """Exit with a hint if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")


def wrk(
    port: int,
    request: Request,
    seconds: float,
    core: int,
    connections: int = CONNECTIONS,
    *,
    rate: float = 0,
    host: str = "127.0.0.1",
) -> Load:
    """Send requests from the CPU `core`, `rate` a second at random times; 0: each as soon as its connection is free.

    Raises:
        AssertionError: an answer was wrong, or a connection broke.
    """
    pause_ms = 1000 * connections / rate if rate else 0
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "20s", "--script", str(SCRIPT)]
    command += [f"http://{host}:{port}{request.path}", "--", str(request.body), request.expected, str(pause_ms)]
    command += [part for header in request.headers.items() for part in header]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in output.stdout.splitlines() if line.startswith("{")]
    assert lines, f"wrk failed: {output.stdout} {output.stderr}"
    found = json.loads(lines[-1])
    assert found["answered"] > 0, f"{request.path}: no answer came: {found}"
    assert found["wrong"] == found["errors"] == 0, f"{request.path}: {found} {output.stderr}"
    return Load(found["answered"] / found["seconds"], found["p50"] / 1e3, found["p99"] / 1e3, found["answered"])
