"""The compared servers, their installation and start: one process that serves and logs each request."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import ROOT, free_port

PEERS = Path(__file__).parent / "peers"
_MODULES = "benchmarks.serving.peers"
_MARK = "BENCHMARKED_SERVER"
_PATIENCE = 5  # seconds after a signal

Pids = Callable[[], list[int]]


@dataclass(frozen=True)
class Server:
    """A server. `{bin}` and `{port}` in its command and environment are its Python's directory and its port.

    `paths` are its routes for a form ("multipart") and a raw body ("raw").
    """

    name: str
    command: str
    paths: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=dict)


OURS = Server(
    "digits",
    "{bin}/python -m service",
    {"multipart": "/predict", "raw": "/predict"},
    {"DIGITS_BIND": "127.0.0.1:{port}", "DIGITS_WORKERS": "1", "DIGITS_PROVIDER": "cpu"},
)
SERVERS = (
    OURS,
    Server(
        "fastapi",
        f"{{bin}}/uvicorn {_MODULES}.fastapi_app:app --host 127.0.0.1 --port {{port}}",
        {"multipart": "/predict", "raw": "/raw"},
    ),
    Server("litserve", f"{{bin}}/python -m {_MODULES}.litserve_app {{port}}", {"multipart": "/predict"}),
    Server(
        "bentoml",
        f"{{bin}}/bentoml serve {_MODULES}.bentoml_app:Digits --host 127.0.0.1 --port {{port}} --api-workers 1",
        {"multipart": "/predict", "raw": "/raw"},
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Server(
        "mlserver",
        f"{{bin}}/mlserver start {(PEERS / 'mlserver').relative_to(ROOT)}",
        {"multipart": "/predict", "raw": "/raw"},
        {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "0"},
    ),
)


@contextmanager
def running(server: Server, version: Path, core: int) -> Iterator[tuple[int, Pids]]:
    """Serve the model in the directory `version` on the CPU `core`; yield the port and a function that lists processes.

    Some servers leave workers behind in their own process groups and sessions, which would slow down later
    measurements. So each process is identified by a variable in its environment, and ended.
    """
    port, mark = free_port(), secrets.token_hex(8)
    command = [word.format(bin=python_of(server).parent, port=port) for word in server.command.split()]
    environ = {**_environ(server, port, version), _MARK: mark}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield port, lambda: _marked(mark)
        except Exception:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            _end(mark)
            process.wait()


def python_of(server: Server) -> Path:
    """Return the Python of a server; its environment in .venv/peers is created if missing."""
    if server is OURS:
        return Path(sys.executable)
    place, requirements = ROOT / ".venv" / "peers" / server.name, PEERS / f"{server.name}.txt"
    python, note, wanted = place / "bin" / "python", place / "made-from", sys.version + requirements.read_text("ascii")
    if not note.is_file() or note.read_text("ascii") != wanted:
        print(f"Installing {requirements.relative_to(ROOT)} into {place} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(requirements)], check=True)
        note.write_text(wanted, "ascii")
    return python


def _environ(server: Server, port: int, version: Path) -> dict[str, str]:
    ours = {"DIGITS_MODELS_DIR": str(version.parent.parent), "DIGITS_MODEL_VERSION": version.name}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    given = {"PYTHONPATH": str(ROOT), "BENCHMARKED_VERSION": str(version)} if server is not OURS else ours
    return {**inherited, **given, **{name: value.format(port=port) for name, value in server.environ.items()}}


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
