"""The models directory: which versions exist, which one serves, when to load the next.

A version is published by a rename, so it is complete when it appears. It is checked all the same: one that fails is
rejected with a reason, and the next older one serves.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from service.contract import Manifest
from service.errors import DigitsError, ModelError, ProviderError
from service.inference.engine import Engine, open_version
from service.settings import Settings

log = logging.getLogger(__name__)

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:'\"]+/)+")
_RETRY_SECONDS = 60.0

#: The error codes for which a version may be rejected; the last is for unexpected errors.
REJECTIONS = (*(kind.code for kind in ModelError.__subclasses__()), DigitsError.code)

Stamp = tuple[tuple[str, int, int, int], ...]


class Serving(NamedTuple):
    """The model that serves. A request reads it once, so an answer never mixes two versions."""

    engine: Engine
    manifest: Manifest


class Version(NamedTuple):
    """A version in the directory; `reason` says why it, or its changed files, does not serve.

    `examine` sets `bytes`, the size of its files, and `model`, None if it could not serve.
    """

    number: int
    serves: bool
    reason: str
    model: Serving | None = None
    bytes: int = 0


class _Rejection(NamedTuple):
    stamp: Stamp
    reason: str
    until: float


class ModelStore:
    """The versions in MODELS/NAME, of which one serves: the newest that works, or the pinned one.

    One thread calls `refresh`; any may read `serving`, the model that serves, or None.
    """

    def __init__(self, settings: Settings, report: Callable[[Serving | str], object] = lambda _: None) -> None:
        """Read nothing yet. `report` is called with each version loaded, or the code of a rejection."""
        self._settings, self._wanted, self._report = settings, settings.model_version, report
        self._directory = settings.models_dir / settings.model_name
        self.serving: Serving | None = None
        self._taken: tuple[int, Stamp] = 0, ()
        self._rejected: dict[int, _Rejection] = {}

    @property
    def reason(self) -> str:
        """Why nothing serves, as a sentence; empty if something does."""
        if self.serving is not None:
            return ""
        if self._rejected:
            newest = max(self._rejected)
            return f"Version {newest} is rejected. {self._rejected[newest].reason}"
        name = self._directory.name
        if self._wanted != "latest":
            return f"{name} has no version {self._wanted}: publish it, or set DIGITS_MODEL_VERSION=latest."
        return f"{name} has no version: run `python -m training`, or set DIGITS_MODELS_DIR."

    def versions(self) -> list[Version]:
        """Return the versions in the directory, and the one that serves even if its files are gone, newest first."""
        serving = self._taken[0]
        numbers = sorted({*self._numbers(), serving} - {0}, reverse=True)
        return [Version(number, number == serving, self._why(number, serving)) for number in numbers]

    def _why(self, number: int, serving: int) -> str:
        stamp, rejection = self._stamp(number), self._rejected.get(number)
        if rejection and rejection.stamp == stamp and self._taken != (number, stamp):
            return rejection.reason
        if number == serving:
            return ""
        if self._wanted not in ("latest", str(number)):
            return f"DIGITS_MODEL_VERSION={self._wanted} is served."
        return f"Version {serving} is newer and serves." if number < serving else "It has not been opened yet."

    def examine(self) -> Iterator[Version]:
        """Open each version in turn, newest first, without changing what serves."""
        for version in self.versions():
            found = version._replace(bytes=sum(entry[2] for entry in self._stamp(version.number)))
            try:
                yield found._replace(model=self._open(version.number))
            except Exception as error:
                yield found._replace(reason=self._without_paths(_message(error)))

    def refresh(self) -> None:
        """Let the newest version that works serve. Never raises.

        A version is opened once, and again after its files have changed, or a while after an error that may pass. The
        serving version serves on after its directory is deleted, until there is another one.
        """
        numbers = [number for number in self._numbers() if self._wanted in ("latest", str(number))]
        self._rejected = {number: rejection for number, rejection in self._rejected.items() if number in numbers}
        for number in numbers:
            stamp, rejection = self._stamp(number), self._rejected.get(number)
            if self._taken == (number, stamp):
                return
            if rejection and rejection.stamp == stamp and time.monotonic() < rejection.until:
                continue
            try:
                self.serving = self._open(number)
            except Exception as error:  # a worker that raises while it boots takes the whole server down with it
                self._reject(number, stamp, error)
                continue
            self._taken = number, stamp
            name, engine = self.serving.manifest.name, self.serving.engine
            log.info("Serving %s version %s on %s (%s)", name, number, engine.provider, engine.file)
            self._report(self.serving)
            return

    def _numbers(self) -> list[int]:
        try:
            names = [entry.name for entry in self._directory.iterdir() if entry.is_dir()]
        except OSError:  # there is no such directory, or it may not be read
            return []
        return sorted((int(name) for name in names if _VERSION.fullmatch(name)), reverse=True)

    def _stamp(self, number: int) -> Stamp:
        """Return name, inode, size and time of each file of a version, to notice changes."""
        try:
            found = [(entry.name, entry.stat()) for entry in sorted((self._directory / str(number)).iterdir())]
            return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
        except OSError:  # deleted meanwhile, or not readable
            return ()

    def _open(self, number: int) -> Serving:
        directory, settings = self._directory / str(number), self._settings
        manifest = Manifest.read(directory)
        manifest.check_place(directory)
        options = {"threads": settings.intra_op_threads, "gpu_memory_mb": settings.gpu_memory_mb}
        opened = open_version(directory, manifest, provider=settings.provider, max_batch=settings.max_batch, **options)
        return Serving(opened, manifest)

    def _reject(self, number: int, stamp: Stamp, error: Exception) -> None:
        why, before = _message(error), self._rejected.get(number)
        # A lack of memory, files or GPU memory may pass.
        may_pass = not isinstance(error, ModelError) or isinstance(error, ProviderError)
        may_pass |= isinstance(error.__cause__, OSError)
        until = time.monotonic() + _RETRY_SECONDS if may_pass else float("inf")
        rejection = _Rejection(stamp, self._without_paths(why), until)
        self._rejected = {**self._rejected, number: rejection}  # a copy, because requests read it meanwhile
        if before is None or (before.stamp, before.reason) != (stamp, rejection.reason):
            log.error("Version %d is rejected: %s", number, why)
            log.debug("Version %d", number, exc_info=error)
        self._report(error.code if isinstance(error, ModelError) else DigitsError.code)

    def _without_paths(self, text: str) -> str:
        """Remove the server's directories, for clients."""
        return _FOLDERS.sub("", text.replace(str(self._directory), self._directory.name))


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
