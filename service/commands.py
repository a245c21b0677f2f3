"""`python -m service predict`, `models` and `corrections`: what the service does, without a server.

Each takes the settings and the parsed arguments, prints a table or JSON, and returns the exit status. NotReady is
raised if no version of the model serves, or if no corrections are kept.
"""

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from service.contract import Correction
from service.errors import DigitsError, NotReady, RequestError, TooLarge
from service.http import number
from service.http import predict as digit
from service.http.answering import Read, Request, Service, described, to_json
from service.http.corrections import Corrections
from service.inference.store import ModelStore, Version
from service.settings import Settings

STDIN = "-"

_DIGIT_COLUMNS, _NUMBER_COLUMNS = ("digit", "confidence", "certain"), ("certain", "number")
_MODEL_COLUMNS = ("version", "state", "accuracy", "size", "made", "file", "reason")
_CORRECTION_COLUMNS = ("id", "created", "digit", "read", "confidence", "certain", "version", "bytes", "note")


class UnreadableFile(RequestError, code="unreadable_file"):
    """A file could not be read from the disk, whatever is in it."""


def predict(settings: Settings, given: Namespace) -> int:
    """Print the digit or number in each of `given.files`; return 1 if one could not be read. stderr says why."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    here = Service(settings, ModelStore(settings))
    here.store.refresh()
    model = here.ready()
    read, columns = (number.read, _NUMBER_COLUMNS) if given.number else (digit.read, _DIGIT_COLUMNS)
    widths = [max(4, *map(len, given.files)), *map(len, columns)]
    if not given.json:
        _print_row(("file", *columns), widths)
    answers = []
    for file in given.files:  # each is printed as soon as it is read
        answers.append(answer := _answer(here, read, file))
        if "error" in answer:
            print(f"{file}: {answer['error']}", file=sys.stderr, flush=True)
        elif not given.json:
            shown = answer | {"number": " ".join(answer.get("lines", ()))}
            _print_row((file, *(_text(shown[column]) for column in columns)), widths)
    if given.json:
        print(to_json({"predictions": answers, **digit.model_of(model.manifest)}).decode(), end="")
    return int(any("error" in answer for answer in answers))


def _answer(here: Service, read: Read, file: str) -> dict[str, Any]:
    try:
        content = _content(file, here.settings.max_upload_bytes)
        answer = json.loads(here.respond(read, Request(content, {"content-type": digit.BYTES})).body)
    except DigitsError as error:
        answer = described(error)
    return {"file": file} | {name: value for name, value in answer.items() if name != "model"}


def _content(file: str, most: int) -> bytes:
    try:
        with nullcontext(sys.stdin.buffer) if file == STDIN else Path(file).open("rb") as opened:
            content = opened.read(most + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UnreadableFile(f"It cannot be read ({why}): name a picture, or - for stdin.") from error
    if len(content) > most:
        raise TooLarge(f"It has more than {most:,} bytes: send a smaller picture, or raise DIGITS_MAX_UPLOAD_BYTES.")
    return content


def models(settings: Settings, given: Namespace) -> int:
    """Print all versions and which one would serve; return 1 if none would."""
    logging.disable(logging.CRITICAL)  # the reasons for which versions are rejected are printed below
    store = ModelStore(settings)
    store.refresh()
    versions = [_version_fields(version) for version in store.examine()]
    if given.json:
        serves = None if store.serving is None else store.serving.manifest.version
        print(json.dumps({"model": settings.model_name, "serves": serves, "versions": versions}))
    else:
        for version in versions:
            accuracy, created = version["accuracy"], version["created"]
            version["accuracy"] = None if accuracy is None else f"{accuracy:.2%}"
            version["size"] = f"{version['bytes'] / 1e6:.1f} MB"
            version["made"] = created and created[:10]
        _print_table(_MODEL_COLUMNS, versions)
    if store.serving is None:
        print(store.reason, file=sys.stderr)
    return int(store.serving is None)


def _version_fields(version: Version) -> dict[str, Any]:
    model = version.model
    return {
        "version": str(version.number),
        "state": "serves" if version.serves else "sound" if model else "refused",
        "accuracy": model and model.manifest.accuracy(model.engine.file),
        "bytes": version.bytes,
        "created": model and model.manifest.created,
        "file": model and model.engine.file,
        "reason": version.reason,
    }


def corrections(settings: Settings, given: Namespace) -> int:
    """Print all corrections, oldest first, or delete those named; return 1 for an unknown name."""
    kept = Corrections.of(settings)
    if kept is None:
        raise NotReady("No corrections are kept: set DIGITS_CORRECTIONS_DIR to their directory.")
    if given.delete:
        names = [name for name, _ in kept.listed()] if "all" in given.delete else given.delete
        unknown = [name for name in names if not kept.delete(name)]
        for name in unknown:
            print(f"There is no correction {name}.", file=sys.stderr)
        return int(bool(unknown) and "all" not in given.delete)
    found = [_correction_fields(name, correction) for name, correction in kept.listed()]
    if given.json:
        print(json.dumps({"corrections": found}))
    else:
        _print_table(_CORRECTION_COLUMNS, found)
    return 0


def _correction_fields(name: str, found: Correction | str) -> dict[str, Any]:
    fields = {column: getattr(found, column, None) for column in _CORRECTION_COLUMNS}
    if isinstance(found, str):
        return fields | {"id": name, "note": f"cannot be read: {found}"}
    return fields | {"id": name, "bytes": len(found.image), "note": "suspect" if found.suspect else ""}


def _print_table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Print the rows, if there are any, in aligned columns."""
    cells = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [columns, *cells] if cells else ():
        _print_row(row, widths)


def _print_row(cells: Sequence[str], widths: Sequence[int]) -> None:
    print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip(), flush=True)


def _text(value: Any) -> str:
    """Return a value for a table; a number has four decimals, not rounded: 1 would mean certainty."""
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    return f"{int(1e4 * value) / 1e4:.4f}" if isinstance(value, float) else str(value)
