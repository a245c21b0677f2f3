"""Stored corrections: pictures with their correct digit, a file each, named by hash, limited in number and size.

A lock file lets one process write at a time.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from service.contract import CORRECTION_SUFFIX, Correction
from service.errors import InsufficientStorage
from service.settings import Settings

_LOCK, _UNFINISHED = ".lock", ".unfinished"
_NAME_LENGTH = 32  # of the SHA-256 in hexadecimal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corrections:
    """At most `most` corrections in a directory, of at most `most_bytes` together."""

    directory: Path
    most: int
    most_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "Corrections | None":
        """Return the store that the settings name, or None."""
        if settings.corrections_dir is None:
            return None
        return cls(settings.corrections_dir, settings.corrections_max, settings.corrections_max_bytes)

    def keep(self, correction: Correction) -> str:
        """Write a correction, replacing an earlier one of the same picture; return its name.

        Raises:
            InsufficientStorage: the limit is reached, or the disk is full or not writable; nothing was changed.
        """
        name = sha256(correction.image).hexdigest()[:_NAME_LENGTH]
        try:
            with self._locked():
                self._write(name + CORRECTION_SUFFIX, msgspec.json.encode(correction))
        except OSError as error:
            log.error("A correction could not be kept in %s: %s.", self.directory, error.strerror or error)
            raise InsufficientStorage(
                f"The correction could not be kept ({error.strerror or error}): tell the operator of the service."
            ) from error
        return name

    def _write(self, file: str, content: bytes) -> None:
        others = [_size(entry) for entry in os.scandir(self.directory) if _is_other(entry.name, file)]
        if len(others) >= self.most or sum(others) + len(content) > self.most_bytes:
            raise InsufficientStorage(
                "No more corrections are kept: train with the existing ones and delete them, "
                "or raise DIGITS_CORRECTIONS_MAX or DIGITS_CORRECTIONS_MAX_BYTES."
            )
        unfinished = self.directory / _UNFINISHED  # one name: killed processes leave one file at most
        try:
            with unfinished.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            unfinished.chmod(0o640)
            unfinished.replace(self.directory / file)
        finally:
            unfinished.unlink(missing_ok=True)

    def listed(self) -> Iterator[tuple[str, Correction | str]]:
        """Yield name and content of each correction, or why it cannot be read; oldest first."""
        found = []
        with suppress(FileNotFoundError):
            found = [entry for entry in os.scandir(self.directory) if entry.name.endswith(CORRECTION_SUFFIX)]
        for entry in sorted(found, key=_age):
            name = entry.name.removesuffix(CORRECTION_SUFFIX)
            try:
                yield name, msgspec.json.decode(Path(entry.path).read_bytes(), type=Correction)
            except FileNotFoundError:
                continue  # deleted meanwhile
            except (OSError, ValueError) as error:
                yield name, str(error)

    def delete(self, name: str) -> bool:
        """Delete the correction of this name; return whether there was one."""
        if not name.isalnum() or not self.directory.is_dir():
            return False
        with self._locked():
            try:
                (self.directory / (name + CORRECTION_SUFFIX)).unlink()
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _is_other(name: str, file: str) -> bool:
    return name.endswith(CORRECTION_SUFFIX) and name != file


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0


def _age(entry: "os.DirEntry[str]") -> tuple[float, str]:
    try:
        return entry.stat().st_mtime, entry.name
    except FileNotFoundError:
        return 0, entry.name
