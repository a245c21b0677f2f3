"""Files of a training: directories kept to one training, atomic replacement, reading what may be damaged."""

import errno
import fcntl
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from service.errors import first_line
from training.errors import RunError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make `directory` and keep other trainings out of it.

    Raises:
        RunError: another one is using it, or it cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("ab")
    except OSError as error:
        raise RunError(
            f"{directory} cannot be written ({error.strerror}): change its owner, or give another --run-dir."
        ) from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another training is using {directory}: wait, or give another --run-dir.") from None
        yield


def replace_file(path: Path, write: Callable[[Path], object], *, maker: str = "") -> None:
    """Replace `path` atomically by the file that `write` makes.

    `maker` keeps apart processes that write the same file at once.

    Raises:
        OSError: the disk is full or the directory is not writable; it names `path`, which is unchanged.
    """
    beside = path.with_name(f"new-{maker}{path.name}")
    try:
        write(beside)
        beside.replace(path)
    except OSError as error:
        # NumPy gives no number where the disk is full
        raise OSError(error.errno or errno.ENOSPC, error.strerror or str(error), str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def read_npz(path: Path) -> dict[str, Any]:
    """Return the arrays in an .npz file, by name.

    Raises:
        ValueError: it cannot be read, is damaged or is something else; the message is one line.
    """
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            found = dict(file)
    except _DAMAGED as error:
        raise ValueError(first_line(error)) from error
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ValueError("it holds something else than arrays")
    return found


# RuntimeError: an encrypted member or an unknown compression. TypeError: an .npy file, which is no archive.
_DAMAGED = (OSError, ValueError, EOFError, BadZipFile, zlib.error, MemoryError, RuntimeError, TypeError)


def read_json(path: Path, kind: type, remedy: str) -> Any:
    """Return the object (`kind` dict) or array (list) in a JSON file, None if it is missing.

    Raises:
        RunError: it cannot be read; the message ends with the `remedy`.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, kind):
            raise ValueError(f"it is not a JSON {'object' if kind is dict else 'array'}")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({first_line(error)}): {remedy}.") from error
