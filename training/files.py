"""Atomic file replacement: after a kill or on a full disk the old file is still whole."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.errors import first_line
from training.errors import RunError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make `directory` and keep other trainings out of it.

    Raises:
        RunError: another one is using it.
        OSError: it cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("ab") as file:
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
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


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
