"""Files that are replaced in one step, so that a kill or a full disk leaves the old one whole."""

from collections.abc import Callable
from pathlib import Path


def replace_file(path: Path, write: Callable[[Path], object], *, maker: str = "") -> None:
    """Let `write` make a file beside `path`, then put it in its place.

    `maker` tells processes apart that may make the same file at once.

    Raises:
        OSError: the disk is full or the directory cannot be written, and names `path`; what was there still is.
    """
    beside = path.with_name(f"new-{maker}{path.name}")
    try:
        write(beside)
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        beside.unlink(missing_ok=True)
