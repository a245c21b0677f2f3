"""The settings: name, default, help. Each is the environment variable `DIGITS_<NAME>`.

>>> Settings.from_environ({"DIGITS_PROVIDER": "cpu"}).provider
'cpu'
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from service.contract import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS, MODEL_NAME
from service.cpus import available_cpus
from service.errors import SettingsError

PREFIX = "DIGITS_"
ANY = "*"  # any origin
PATH_PREFIX = r"/|(/[A-Za-z0-9._~-]+)+/?"

Keys = tuple[bytes, ...]  # SHA-256

_ORIGIN = r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?"  # as browsers send it
# Kubernetes sets these for Services named `digits...`, and `docker run --link` for containers:
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE_LINK = re.compile(
    r"""DIGITS_(\w+_)?(
        SERVICE_HOST=[0-9a-f.:]+ | SERVICE_PORT(_\w+)?=\d+ |
        PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://\S+ |
        PORT_\d+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp) | PORT=\d+ | ADDR=[0-9a-f.:]+) |
        NAME=/\S+/\S+ | ENV_\w+=.*
    )""",
    re.VERBOSE | re.DOTALL,
)

# Each process on a GPU has its own CUDA context, some hundred megabytes, and they take turns: so one process, with
# threads that decode pictures.
_WITH_CUDA = {"workers": 1, "threads": 16}
_FORMER = {
    "DIGITS_BATCH_WINDOW_US": "requests share runs of the model without it",
    "DIGITS_MAX_IN_FLIGHT": "DIGITS_QUEUE_SECONDS bounds how long a prediction waits",
}
_DEVICES = Path("/dev")


def has_gpu() -> bool:
    """Return whether an NVIDIA driver, or that of Windows Subsystem for Linux, has found a GPU."""
    return any(_DEVICES.glob("nvidia[0-9]*")) or any(_DEVICES.glob("dxg"))


def expects_cuda(provider: str) -> bool:
    """Return whether `provider` will probably use a GPU, without opening CUDA, which does not survive a fork."""
    if provider != "auto" or not has_gpu():
        return provider == "cuda"
    from importlib import metadata  # takes longer than all that is imported here, and few need it

    return any(metadata.distributions(name="onnxruntime-gpu"))


class _Kind(NamedTuple):
    """A variable's form, in words and as a pattern; `make` raises ValueError for a value that is not allowed either."""

    allowed: str
    pattern: str = "(?s).*"
    make: Callable[[str], Any] = str

    def parse(self, text: str) -> Any:
        """Return the value of a variable, or raise ValueError."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(text)
        return self.make(text)


def _integer(lowest: int, highest: int) -> _Kind:
    def make(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise ValueError(text)
        return int(text)

    # `int` alone takes `1_0`, and the digits of other scripts.
    return _Kind(f"a whole number from {lowest} to {highest}", r"\s*[0-9]+\s*", make)


def _choice(*words: str) -> _Kind:
    return _Kind(" or ".join(words), "|".join(words))


def _keys(path: str) -> Keys:
    """Return the SHA-256 of each key in a file, a line each."""
    try:
        keys = Path(path).read_text(encoding="ascii").split()
    except OSError as error:
        raise ValueError(path) from error
    if not keys or not all(re.fullmatch(r"[!-~]{16,}", key) for key in keys):
        raise ValueError(path)
    return tuple(sha256(key.encode("ascii")).digest() for key in keys)


def _writable(text: str) -> Path:
    path = Path(text).absolute()
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(text)
    return path


_DIRECTORY = _Kind("a directory", make=lambda text: Path(text).absolute())
_WRITABLE = _Kind("a directory that the service can write to or create", make=_writable)
_COUNT, _SECONDS = _integer(1, 256), _integer(1, 3600)
_KEYS = _Kind("a readable file with keys of 16 or more letters, digits and signs, a line each", make=_keys)
_ORIGINS = _Kind(
    "origins such as https://example.org, separated by spaces, or *",
    rf"\s*(({_ORIGIN}|\*)(\s+|\Z))*",
    lambda text: tuple(text.split()),
)
_NAME = _Kind("letters, digits, '.', '_' and '-'", r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PREFIX = _Kind("a path such as /ml/digits", PATH_PREFIX)
_VERSION = _Kind("latest or a version number", r"latest|[1-9][0-9]{0,8}")
_ADDRESS = _Kind("HOST:PORT, [IPV6]:PORT or unix:PATH", r"(\[[0-9A-Fa-f:.]+\]|[^\s:]*):[0-9]{1,5}|unix:.+")


def _setting(kind: _Kind, default: Any, help: str, shown_default: str = "") -> Any:
    metadata = {"kind": kind, "help": help, "default": shown_default or str(default)}
    return field(**{"default_factory" if callable(default) else "default": default}, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All settings; `from_environ` reads them."""

    bind: str = _setting(_ADDRESS, "127.0.0.1:8000", "address to listen on; the container image sets 0.0.0.0:8000")
    workers: int = _setting(_COUNT, available_cpus, "worker processes", "the CPUs that it may use; 1 with CUDA")
    threads: int = _setting(_COUNT, 4, "large pictures that a worker reads at once", "4; 16 with CUDA")
    queue_seconds: int = _setting(_SECONDS, 2, "longest wait of a prediction, in seconds; a longer one gets 429")
    request_seconds: int = _setting(_SECONDS, 60, "time for a request to arrive, in seconds")
    keepalive_seconds: int = _setting(
        _SECONDS, 75, "how long an idle connection stays open, in seconds; use more than the load balancer in front"
    )
    grace_seconds: int = _setting(_integer(0, 3600), 20, "time to finish requests after SIGTERM, in seconds")
    models_dir: Path = _setting(_DIRECTORY, lambda: Path("models").absolute(), "directory of the models", "models")
    model_name: str = _setting(_NAME, MODEL_NAME, "model to serve")
    model_version: str = _setting(_VERSION, "latest", "latest, or the version to serve")
    provider: Literal["auto", "cpu", "cuda"] = _setting(
        _choice("auto", "cpu", "cuda"), "auto", "where the model runs; with cuda there is no fallback to the CPU"
    )
    intra_op_threads: int = _setting(_COUNT, 1, "threads of one run of the model")
    gpu_memory_mb: int = _setting(
        _integer(16, 1 << 20), 1024, "GPU memory of one open version, in MiB; CUDA itself takes more"
    )
    max_upload_bytes: int = _setting(_integer(1024, 1 << 30), MAX_PICTURE_BYTES, "largest request body, in bytes")
    max_pixels: int = _setting(
        _integer(784, 1 << 30),
        MAX_PICTURE_PIXELS,
        "largest colour picture, width times height; grey pictures may have 4 times, baseline JPEGs 8 times as many",
    )
    max_batch: int = _setting(_integer(1, 65536), 256, "most pictures in a request, and in a shared run of the model")
    trusted_proxies: int = _setting(
        _integer(0, 16), 0, "proxies in front whose X-Forwarded-For and X-Forwarded-Prefix are trusted"
    )
    root_path: str = _setting(
        _PREFIX,
        "/",
        "path prefix at the proxy, whether it removes the prefix or not; X-Forwarded-Prefix overrides it",
    )
    api_key_file: Keys = _setting(_KEYS, (), "file of API keys; all routes except health checks require one", "none")
    cors_origins: tuple[str, ...] = _setting(_ORIGINS, (), "web sites whose pages may call the service", "none")
    corrections_dir: Path | None = _setting(
        _WRITABLE, None, "where POST /corrections keeps pictures; none: it is off", "none"
    )
    corrections_max: int = _setting(_integer(1, 1_000_000), 10_000, "most corrections kept")
    corrections_max_bytes: int = _setting(_integer(1024, 1 << 40), 1 << 30, "most bytes of all corrections")
    log_format: str = _setting(_choice("text", "json"), "text", "text or json")
    log_level: str = _setting(_choice("debug", "info", "warning", "error"), "info", "lowest level that is logged")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables, ignoring empty ones, or raise SettingsError."""
        values = {}
        names = {entry.name: entry.metadata["kind"] for entry in fields(cls)}
        for variable, text in environ.items():
            if not variable.startswith(PREFIX) or not text or variable in _FORMER:
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name in names and variable.isupper():
                try:
                    values[name] = names[name].parse(text)
                except ValueError:
                    raise SettingsError(f"{variable}={text!r} is not allowed: {names[name].allowed}.") from None
            elif not _SERVICE_LINK.fullmatch(f"{variable}={text}"):
                raise SettingsError(f"{variable} is not a setting: `python -m service --help` lists them.")
        return cls(**(_WITH_CUDA if expects_cuda(values.get("provider", cls.provider)) else {}) | values)


def former(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that is no longer a setting, and ignored."""
    return [f"{name} is no longer a setting: {why}." for name, why in _FORMER.items() if environ.get(name)]


def table() -> Iterator[tuple[str, str, str, str]]:
    """Yield the variable, the default, what is allowed and the help of each setting."""
    for entry in fields(Settings):
        kind: _Kind = entry.metadata["kind"]
        yield PREFIX + entry.name.upper(), entry.metadata["default"], kind.allowed, entry.metadata["help"]
