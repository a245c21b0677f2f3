"""Corrections kept by the service: pictures as sent, with the digit a person saw."""

from pathlib import Path

import msgspec

from service.contract import CORRECTION_SUFFIX, MAX_PICTURE_BYTES, Correction
from training.data.own.entries import Entry, Found, Rejected, read_file

_MOST_BYTES = 4 * MAX_PICTURE_BYTES  # in base64, whatever the service was allowed to take


def is_kept_in(directory: Path) -> bool:
    """Whether there are corrections in `directory`."""
    return any(directory.glob(f"*{CORRECTION_SUFFIX}"))


def entries(directory: Path) -> Found:
    """Yield the corrections in a directory."""
    for path in sorted(directory.glob(f"*{CORRECTION_SUFFIX}")):
        try:
            found = msgspec.json.decode(read_file(path, _MOST_BYTES), type=Correction)
        except OSError as error:
            yield Rejected(str(path), f"it cannot be read ({error.strerror or error})")
        except ValueError as error:
            yield Rejected(str(path), f"it is no correction ({error})")
        else:
            yield Entry(str(path), found.digit, found.image, suspect=found.suspect)
