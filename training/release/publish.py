"""Publishes a version into the models directory, atomically.

The files are written and synced in a hidden directory beside the versions, which a rename then turns into the next
free number. A rename onto a version that exists fails, so of two that publish at once one takes the number after.
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

    `write(directory, version)` writes the version's files; it is called again, in the same directory, if another
    publisher took that number meanwhile. If it raises, or the process dies at any point, `models` is as it was but for
    a hidden directory that a later publication removes.

    Raises:
        OSError: the disk is full or the directory cannot be written; nothing was published.
    """
    versions = models / name
    versions.mkdir(parents=True, exist_ok=True)
    _remove_stale(versions)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=versions))
    try:
        staging.chmod(0o755)  # mkdtemp's 0o700 would hide the version from a service that runs as somebody else
        return _claim(versions, staging, write)
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
            continue  # somebody else was first
        # The version stands, whole; a failure here leaves open only whether the rename outlives a power cut.
        with contextlib.suppress(OSError):
            _sync_directory(versions)
        return version


def _newest(versions: Path) -> int:
    """Return the highest number in use, by whatever kind of entry, 0 where there is none."""
    return max((int(entry.name) for entry in versions.iterdir() if entry.name.isdecimal()), default=0)


def _sync(directory: Path) -> None:
    """Wait until the files and the entries of `directory` are on the disk, so that the rename cannot overtake them."""
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
    """Remove what publishers left that were killed; a younger directory may belong to one that is at work."""
    for entry in versions.glob(_STAGING_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > _STALE_AFTER_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
