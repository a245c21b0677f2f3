"""Entries of a source of digits, before decoding."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.contract import LABELS, MAX_PICTURE_BYTES


class Entry(NamedTuple):
    """A picture and its label: `picture` is a file's content, or grey levels, uint8 [height, width].

    `writer` is the name of the folder that keeps a writer's digits together, empty where there is none. A `suspect`
    one contradicts a certain answer.
    """

    source: str
    label: int
    picture: bytes | npt.NDArray[np.uint8]
    writer: str = ""
    suspect: bool = False


class Rejected(NamedTuple):
    """An entry that cannot be learnt, and why."""

    source: str
    reason: str


class Batch(NamedTuple):
    """Grey levels, uint8 [N, height, width], with the label of each and its name; perhaps stored transposed."""

    sources: list[str]
    labels: npt.NDArray[np.uint8]
    images: npt.NDArray[np.uint8]


Found = Iterator[Entry | Batch | Rejected]


def digit_of(value: Any) -> int | None:
    """Return the digit that a label names, or None."""
    text = str(value).strip()
    text = text[:-2] if text.endswith(".0") else text
    return int(text) if text in LABELS else None


def labelled(source: str, label: Any, picture: Path, writer: str = "") -> Entry | Rejected:
    """Return the picture in a file with its label, or what is wrong with it."""
    digit = digit_of(label)
    if digit is None:
        return Rejected(source, f"{str(label)[:20]!r} is no digit")
    try:
        return Entry(source, digit, read_file(picture, MAX_PICTURE_BYTES), writer)
    except OSError as error:
        return Rejected(source, f"it cannot be read ({error.strerror or error})")
    except ValueError as error:
        return Rejected(source, str(error))


def read_file(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: it cannot be read, or has gone.
        ValueError: it is no regular file, or has more than `most` bytes.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size:,} bytes, at most {most:,} are allowed")
    return path.read_bytes()
