"""Pictures in folders: a subfolder a digit, with a writer's folder around or within it where there is one."""

import os
from collections.abc import Iterator
from pathlib import Path

from service.contract import LABELS
from training.data.own.entries import Found, Rejected, labelled


def has_digits(directory: Path) -> bool:
    """Whether `directory` holds a folder named by a digit, at any depth."""
    return any(name in LABELS for _, names, _ in os.walk(directory) for name in names)


def entries(directory: Path) -> Found:
    """Yield the pictures of a folder: `7/a.png`, `7/anna/a.png` or `anna/7/a.png`. Hidden files are passed over."""
    for path in _files(directory):
        folders = path.relative_to(directory).parts[:-1]
        digits = [name for name in folders if name in LABELS]
        writer = "/".join(name for name in folders if name not in LABELS)
        source = os.fsencode(path).decode(errors="replace")  # a name need not be UTF-8
        if digits:
            yield labelled(source, digits[-1], path, writer)
        else:
            yield Rejected(source, "it is in no folder that is named by a digit")


def _files(directory: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(files) if not name.startswith("."))
