"""The compared servers, their installation and start: one process that serves and logs each request."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import ROOT

PEERS = Path(__file__).parent / "peers"
_MODULES = "benchmarks.serving.peers"


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


def command_of(server: Server, port: int) -> list[str]:
    """Return the command line of a server; its environment in .venv/peers is created if missing."""
    python = _python_of(server)
    return [word.format(bin=python.parent, port=port) for word in server.command.split()]


def _python_of(server: Server) -> Path:
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


def environ_of(server: Server, port: int, version: Path) -> dict[str, str]:
    """Return the environment in which a server serves the model in the directory `version`."""
    ours = {"DIGITS_MODELS_DIR": str(version.parent.parent), "DIGITS_MODEL_VERSION": version.name}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    given = {"PYTHONPATH": str(ROOT), "BENCHMARKED_VERSION": str(version)} if server is not OURS else ours
    return {**inherited, **given, **{name: value.format(port=port) for name, value in server.environ.items()}}
