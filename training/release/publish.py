"""Publishes a version into the models directory atomically.

Files are written and synced in a hidden directory, which is then renamed to the next free number. Renaming onto an
existing version fails, so of two concurrent publishers one takes the following number.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_STAGING_PREFIX = ".publishing-"
_STALE_AFTER_SECONDS = 24 * 3600


def publish(models: Path, name: str, write: Callable[[Path, str], None]) -> str:
    """Publish a version of model `name` under `models` and return its number.

    `write(directory, version)` writes the version's files. It is called again, in the same directory, if another
    publisher has taken the number. If it raises or the process dies, `models` is unchanged except for a hidden
    directory that a later publication removes.

    Raises:
        OSError: the disk is full or the directory cannot be written; it names it, and nothing was published.
    """
    versions = models / name
    versions.mkdir(parents=True, exist_ok=True)
    _remove_stale(versions)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=versions))
    try:
        staging.chmod(0o755)  # mkdtemp's 0o700 would hide the version from another user's service
        return _claim(versions, staging, write)
    except OSError as error:
        error.filename = str(versions)  # where the disk is full it names no file
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _claim(versions: Path, staging: Path, write: Callable[[Path, str], None]) -> str:
    while True:
        version = str(_newest(versions) + 1)
        write(staging, version)
        _sync(staging)
        try:
            staging.rename(versions / version)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            continue  # another publisher was first
        # The version is complete; if this fails, only a power cut can undo the rename.
        with contextlib.suppress(OSError):
            _sync_directory(versions)
        return version


def _newest(versions: Path) -> int:
    """Return the highest number in use by any kind of entry, or 0."""
    return max((int(entry.name) for entry in versions.iterdir() if entry.name.isdecimal()), default=0)


def _sync(directory: Path) -> None:
    """Sync the files and entries of `directory`, so that the rename cannot reach the disk before them."""
    for path in directory.iterdir():
        path.chmod(0o644)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(versions: Path) -> None:
    """Remove directories of killed publishers; a young one may be in use."""
    for entry in versions.glob(_STAGING_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > _STALE_AFTER_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
