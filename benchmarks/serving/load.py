"""Load, made by wrk (https://github.com/wg/wrk), which takes a small share of the time that any server here takes."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 8
_MANY_CONNECTIONS = 64  # of an open loop: most of them wait, so that whoever is slow is asked no less


@dataclass(frozen=True)
class Question:
    """A request: its path, the file with its body, its headers, and what the right answer holds.

    That is a pattern, and written such that it means the same to Lua and to Python.
    """

    path: str
    body: Path
    expected: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What was measured: answers a second, and the time to answer, in milliseconds, that half and 99% stayed below."""

    rate: float
    p50: float
    p99: float
    answered: int


def require_wrk() -> None:
    """Exit with what to do where there is no wrk."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk makes the load and is not installed: apt-get install wrk")


def closed_loop(port: int, question: Question, seconds: float, core: int, connections: int = CONNECTIONS) -> Load:
    """Ask over so many connections, each as soon as it has its answer, from the processor `core`.

    Raises:
        AssertionError: an answer was wrong, or a connection broke.
    """
    return _wrk(port, question, seconds, core, connections, 0)


def open_loop(
    port: int, question: Question, seconds: float, core: int, rate: float, connections: int = _MANY_CONNECTIONS
) -> Load:
    """Ask `rate` times a second at random moments, from the processor `core`.

    Raises:
        AssertionError: an answer was wrong, or a connection broke.
    """
    return _wrk(port, question, seconds, core, connections, 1000 * connections / rate)


def _wrk(port: int, question: Question, seconds: float, core: int, connections: int, pause_ms: float) -> Load:
    headers = [part for header in question.headers.items() for part in header]
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "20s", "--script", str(SCRIPT)]
    command += [f"http://127.0.0.1:{port}{question.path}", "--"]
    command += [str(question.body), question.expected, str(pause_ms), *headers]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in output.stdout.splitlines() if line.startswith("{")]
    assert lines, f"wrk failed: {output.stdout} {output.stderr}"
    found = json.loads(lines[-1])
    assert found["answered"] > 0, f"{question.path}: no answer came: {found}"
    assert found["wrong"] == found["errors"] == 0, f"{question.path}: {found} {output.stderr}"
    return Load(found["answered"] / found["seconds"], found["p50"] / 1e3, found["p99"] / 1e3, found["answered"])
