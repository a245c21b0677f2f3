"""`POST /corrections`: a picture and its correct digit, kept for training.

Each is a file, named by the hash of the picture; they are limited in number and size. A lock file lets one process
write at a time.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from service.contract import CORRECTION_SUFFIX, LABELS, Correction, Manifest
from service.errors import InsufficientStorage, MalformedRequest, RequestError, UnknownRoute
from service.http.answering import Question, Request, Response, shown, to_json
from service.http.metrics import Metrics
from service.http.predict import model_of, pictures_and_values, png
from service.inference.engine import Probabilities
from service.settings import Settings

ROUTE = "/corrections"
FIELD = "digit"

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
        others = [size for _, name, size in self._files() if name != file]
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
        for _, file, _ in self._files():
            name = file.removesuffix(CORRECTION_SUFFIX)
            try:
                yield name, msgspec.json.decode((self.directory / file).read_bytes(), type=Correction)
            except FileNotFoundError:
                continue  # deleted meanwhile
            except (OSError, ValueError) as error:
                yield name, str(error)

    def _files(self) -> list[tuple[float, str, int]]:
        """Return time, file name and size in bytes of each correction, oldest first."""
        found = []
        for path in self.directory.glob("*" + CORRECTION_SUFFIX):
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = path.stat()
                found.append((status.st_mtime, path.name, status.st_size))
        return sorted(found)

    def delete(self, name: str) -> bool:
        """Delete the correction of this name; return whether there was one."""
        if not name.isalnum():
            return False
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


@dataclass(kw_only=True)
class Told(Question):
    """One picture as sent, and its correct digit."""

    content: bytes
    told: int
    kept_in: Corrections
    is_slow = True

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        """Store the correction; return its ID and the model's digit."""
        [digit], [row] = self.digits, probabilities
        correction = Correction(
            digit=self.told,
            read=int(row.argmax()),
            confidence=float(row.max()),
            certain=bool(row.max() >= manifest.certain_from),
            model=manifest.name,
            version=manifest.version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seen=png(digit),
            image=self.content,
        )
        name = self.kept_in.keep(correction)
        fields = {"id": name, "digit": self.told, "read": correction.read, "certain": correction.certain}
        return Response(to_json(fields | model_of(manifest)), status=201)

    def count(self, metrics: Metrics, manifest: Manifest, probabilities: Probabilities) -> None:  # noqa: ARG002
        """Count the correction; the picture was counted when it was predicted."""
        metrics.corrections.labels(LABELS[probabilities[0].argmax()], LABELS[self.told]).inc()


def read(request: Request, settings: Settings) -> Told:
    """Parse a request like those of `/predict` with a field `digit`; raise UnknownRoute if corrections are off."""
    kept_in = Corrections.of(settings)
    if kept_in is None:
        raise UnknownRoute("This service keeps no corrections: start it with DIGITS_CORRECTIONS_DIR.")
    [picture], values = pictures_and_values(request, (FIELD,))
    if isinstance(picture, RequestError):
        raise picture
    return Told(pictures=[picture], content=picture, told=_digit(values), kept_in=kept_in)


def _digit(values: dict[str, Any]) -> int:
    if FIELD not in values:
        raise MalformedRequest(f"There is no field `{FIELD}`: send the digit that the picture shows, from 0 to 9.")
    told = values[FIELD]
    if (type(told) not in (int, float) or told not in range(len(LABELS))) and told not in LABELS:
        raise MalformedRequest(f"{FIELD}={shown(told)} is not a digit: send a whole number from 0 to 9.")
    return int(told)
