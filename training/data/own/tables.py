"""CSV files: names of picture files with labels, or pixels as in Kaggle's digit recogniser."""

import csv
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from service.contract import IMAGE_SIDE
from training.data.own.entries import Batch, Found, Rejected, digit_of, labelled
from training.errors import DatasetError

LABELS_FILE = "labels.csv"
_PIXELS = IMAGE_SIDE * IMAGE_SIDE
_FEW_COLUMNS = 4  # a table of files has no more
_ROWS = 2_000  # that are parsed together
_FILE_HEADS, _LABEL_HEADS = ("file", "filename", "image", "path", "name"), ("label", "digit", "class")


def entries(path: Path) -> Found:
    """Yield the entries of a CSV file: `file,label`, or `label,pixel0,...,pixel783`; a header is optional.

    Raises:
        DatasetError: it is neither, or no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            first = next(rows, [])
            if 2 <= len(first) <= _FEW_COLUMNS:
                yield from _files(path, first, rows)
            elif len(first) == 1 + _PIXELS:
                yield from _pixels(path, first, rows)
            else:
                raise DatasetError(
                    f"{path} has {len(first)} columns, expected 2, file and label, or {1 + _PIXELS}, "
                    f"label and {_PIXELS} pixels: correct it."
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a CSV file ({error}): correct it.") from error


def _files(path: Path, first: list[str], rows: Iterator[list[str]]) -> Found:
    names = [name.strip().lower() for name in first]
    file, label, writer = (_column(names, heads) for heads in (_FILE_HEADS, _LABEL_HEADS, ("writer",)))
    lines = enumerate(rows, start=2)
    if file is None or label is None:  # there is no head
        file, label, lines = 0, 1, enumerate(chain([first], rows), start=1)
    for number, row in lines:
        source = f"{path}:{number}"
        if not row:
            continue
        if len(row) != len(first):
            yield Rejected(source, f"it has {len(row)} columns, the first line has {len(first)}")
            continue
        place = path.parent / row[file].strip()
        try:
            within = place.resolve().relative_to(path.parent.resolve())
        except ValueError:  # also of a name that no file can have
            yield Rejected(source, "its file is outside of the folder")
        else:
            folder = "/".join(within.parts[:-1])
            yield labelled(str(place), row[label], place, row[writer].strip() if writer is not None else folder)


def _column(names: list[str], heads: tuple[str, ...]) -> int | None:
    return next((names.index(head) for head in heads if head in names), None)


def _pixels(path: Path, first: list[str], rows: Iterator[list[str]]) -> Found:
    has_head = not all(cell.strip().isdecimal() for cell in first)
    lines = enumerate(rows, start=2) if has_head else enumerate(chain([first], rows), start=1)
    while some := list(islice(lines, _ROWS)):
        sources, labels, images = [], [], []
        for number, row in some:
            levels, reason = _levels(row)
            if levels is None:
                yield Rejected(f"{path}:{number}", reason)
            else:
                sources.append(f"{path}:{number}")
                labels.append(levels[0])
                images.append(levels[1:])
        if sources:
            shape = (len(images), IMAGE_SIDE, IMAGE_SIDE)
            yield Batch(sources, np.array(labels, np.uint8), np.array(images, np.uint8).reshape(shape))


def _levels(row: list[str]) -> tuple[np.ndarray | None, str]:
    """Return the label and the pixels of a row, or what is wrong with it."""
    if len(row) != 1 + _PIXELS:
        return None, f"it has {len(row)} columns, expected {1 + _PIXELS}"
    if digit_of(row[0]) is None:
        return None, f"{row[0][:20]!r} is no digit"
    try:
        numbers = np.array(row, np.float64)
    except ValueError:
        return None, "a pixel is no number"
    if not ((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers))).all():
        return None, "a pixel is no whole number from 0 to 255"
    return numbers, ""
