"""The compared servers, their installation and start: one process that serves and logs each request."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import ROOT

PEERS = Path(__file__).parent / "peers"
_MODULES = "benchmarks.serving.peers"


@dataclass(frozen=True)
class Server:
    """A server. `command` makes its command line from a Python and a port, `environ` its environment from a port.

    `paths` are its routes for a form ("multipart") and a raw body ("raw").
    """

    name: str
    command: Callable[[Path, int], list[str]]
    paths: Mapping[str, str]
    environ: Callable[[int], dict[str, str]] = field(default=lambda _port: {})


def _fastapi(python: Path, port: int) -> list[str]:
    server = [str(python.with_name("uvicorn")), f"{_MODULES}.fastapi_app:app", "--host", "127.0.0.1"]
    return [*server, "--port", str(port)]


def _bentoml(python: Path, port: int) -> list[str]:
    server = [str(python.with_name("bentoml")), "serve", f"{_MODULES}.bentoml_app:Digits", "--host", "127.0.0.1"]
    return [*server, "--port", str(port), "--api-workers", "1"]


OURS = Server(
    "digits",
    lambda python, _port: [str(python), "-m", "service"],
    {"multipart": "/predict", "raw": "/predict"},
    lambda port: {
        "DIGITS_BIND": f"127.0.0.1:{port}",
        "DIGITS_WORKERS": "1",
        "DIGITS_PROVIDER": "cpu",
    },
)
SERVERS = (
    OURS,
    Server("fastapi", _fastapi, {"multipart": "/predict", "raw": "/raw"}),
    Server(
        "litserve",
        lambda python, port: [str(python), "-m", f"{_MODULES}.litserve_app", str(port)],
        {"multipart": "/predict"},
    ),
    Server(
        "bentoml",
        _bentoml,
        {"multipart": "/predict", "raw": "/raw"},
        lambda _port: {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Server(
        "mlserver",
        lambda python, _port: [str(python.with_name("mlserver")), "start", str(PEERS / "mlserver")],
        {"multipart": "/predict", "raw": "/raw"},
        lambda port: {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": "0",
        },
    ),
)


def python_of(server: Server, environments: Path) -> Path:
    """Return the Python of a server: this one for ours, else one in `environments`, created if missing."""
    if server is OURS:
        return Path(sys.executable)
    place = environments / server.name
    wanted = sys.version + (PEERS / f"{server.name}.txt").read_text("ascii")
    note = place / "made-from"
    if not note.is_file() or note.read_text("ascii") != wanted:
        _make_environment(place, PEERS / f"{server.name}.txt")
        note.write_text(wanted, "ascii")
    return place / "bin" / "python"


def _make_environment(place: Path, requirements: Path) -> None:
    print(f"Installing {requirements.relative_to(ROOT)} into {place} ...", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)


def environ_of(server: Server, port: int, version: Path) -> dict[str, str]:
    """Return the environment in which a server serves the model in the directory `version`."""
    ours = {"DIGITS_MODELS_DIR": str(version.parent.parent), "DIGITS_MODEL_VERSION": version.name}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    given = {"PYTHONPATH": str(ROOT), "BENCHMARKED_VERSION": str(version)} if server is not OURS else ours
    return {**inherited, **given, **server.environ(port)}
