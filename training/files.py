"""Atomic file replacement: after a kill or on a full disk the old file is still whole."""

from collections.abc import Callable
from pathlib import Path


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
