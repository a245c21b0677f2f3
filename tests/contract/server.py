"""Servers for the contract tests: one for each group of settings, started on first use."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from unittest.mock import patch

from tests.server import Server, running

KEY, OTHER_KEY = "correct-horse-battery", "staple-0123456789"
ORIGIN = "https://example.org"
SETTINGS: dict[str, dict[str, object]] = {
    "default": {},
    "keys": {"API_KEY_FILE": "keys"},  # a file that `Servers` writes
    "cors": {"CORS_ORIGINS": ORIGIN},
    "keys and cors": {"API_KEY_FILE": "keys", "CORS_ORIGINS": ORIGIN},
    "cors for all": {"CORS_ORIGINS": "*"},
    "small": {"MAX_UPLOAD_BYTES": 4096, "MAX_PIXELS": 10_000, "MAX_BATCH": 2},
    "no model": {"MODELS_DIR": "none"},  # does not exist
    "impatient": {"REQUEST_SECONDS": 2},
}
# The CPU's instruction set changes single grey levels (9 pictures of 2,120), so use what every x86-64 has.
SAME_PIXELS = {
    "OPENCV_CPU_DISABLE": "AVX,FP16,AVX2,AVX512_SKX",
    "OPENCV_IPP": "disabled",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "PYTHONWARNINGS": "ignore::ImportWarning",  # numpy's warning about a feature that the CPU lacks
}
Address = tuple[str, int]


class Servers:
    """Addresses of live servers by the name of their settings. `CONTRACT_SERVER=HOST:PORT` replaces the default one."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, Server] = {}
        self._version = ""
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def server(self, settings: str) -> Server:
        """Return the server with these settings, ready to answer."""
        if settings not in self._started:
            given = dict(SETTINGS[settings])
            for name in {"API_KEY_FILE", "MODELS_DIR"} & given.keys():
                given[name] = self._directory / str(given[name])
            (self._directory / "keys").write_text(f"{KEY}\n{OTHER_KEY}\n")
            with patch.dict(os.environ, SAME_PIXELS):
                server = self._stack.enter_context(running("service", **given))
            server.wait_for("/livez" if settings == "no model" else "/readyz")
            self._started[settings] = server
        return self._started[settings]

    def address(self, settings: str = "default") -> Address:
        """Return the host and the port of the server with these settings."""
        given = os.environ.get("CONTRACT_SERVER")
        if given and settings == "default":
            host, _, port = given.rpartition(":")
            return host, int(port)
        return "127.0.0.1", self.server(settings).port

    @property
    def version(self) -> str:
        """The model version that all servers serve."""
        if not self._version:
            with closing(HTTPConnection(*self.address(), timeout=10)) as connection:
                connection.request("GET", "/readyz")
                self._version = json.load(connection.getresponse())["model"]["version"]
        return self._version


@contextmanager
def servers() -> Iterator[Servers]:
    """Start servers on demand; stop all at the end."""
    with ExitStack() as stack:
        yield Servers(stack)
