"""`python -m service predict`, `models` and `corrections`: what the service does, without a server."""

import json
import logging
import sys
from collections.abc import Sequence
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

_MODEL_COLUMNS = ("version", "state", "accuracy", "size", "made", "file", "reason")
_CORRECTION_COLUMNS = ("id", "created", "digit", "read", "confidence", "certain", "version", "bytes", "note")


class UnreadableFile(RequestError, code="unreadable_file"):
    """A file could not be read from the disk, whatever is in it."""


def predict(settings: Settings, files: list[str], *, as_json: bool, as_number: bool = False) -> int:
    """Print the digit or number in each of `files`, `-` being stdin; return 0 if all could be read, else 1.

    Errors go to stderr, a line each. NotReady is raised if no version of the model serves.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    here = Service(settings, ModelStore(settings))
    here.store.refresh()
    model = here.ready()
    width = max(4, *map(len, files))
    if not as_json:
        print(f"{'file':<{width}}  {'certain  number' if as_number else 'digit  confidence  certain'}")
    answers = []
    for file in files:  # each is printed as soon as it is read
        answers.append(answer := _answer(here, number.read if as_number else digit.read, file))
        if "error" in answer:
            print(f"{file}: {answer['error']}", file=sys.stderr, flush=True)
        elif not as_json:
            print(f"{file:<{width}}  {_line(answer)}", flush=True)
    if as_json:
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
        if file == STDIN:
            content = sys.stdin.buffer.read(most + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(most + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UnreadableFile(f"It cannot be read ({why}): name a picture, or - for stdin.") from error
    if len(content) > most:
        raise TooLarge(f"It has more than {most:,} bytes: send a smaller picture, or raise DIGITS_MAX_UPLOAD_BYTES.")
    return content


def _line(answer: dict[str, Any]) -> str:
    certain = "yes" if answer["certain"] else "no"
    if "number" in answer:
        return f"{certain:<7}  {' '.join(answer['lines'])}"
    return f"{answer['digit']:<5}  {_cut_off(answer['confidence']):<10}  {certain}"


def _cut_off(confidence: float) -> str:
    """Return four decimals, not rounded: 1 would mean certainty."""
    return f"{int(1e4 * confidence) / 1e4:.4f}"


def models(settings: Settings, *, as_json: bool) -> int:
    """Print all versions and which one would serve; return 0 if one would, else 1."""
    logging.disable(logging.CRITICAL)  # the reasons for which versions are rejected are printed below
    store = ModelStore(settings)
    store.refresh()
    versions = [_version_fields(version) for version in store.examine()]
    if as_json:
        serves = None if store.serving is None else store.serving.manifest.version
        print(json.dumps({"model": settings.model_name, "serves": serves, "versions": versions}))
    else:
        _print_table(_MODEL_COLUMNS, [version | _version_texts(version) for version in versions])
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


def _version_texts(version: dict[str, Any]) -> dict[str, str]:
    return {
        "accuracy": "-" if version["accuracy"] is None else f"{version['accuracy']:.2%}",
        "size": f"{version['bytes'] / 1e6:.1f} MB",
        "made": (version["created"] or "-")[:10],
        "file": version["file"] or "-",
    }


def corrections(settings: Settings, delete: Sequence[str], *, as_json: bool) -> int:
    """Delete the corrections named, or print all if none is; return 0, or 1 for an unknown name.

    Raises:
        NotReady: DIGITS_CORRECTIONS_DIR is not set.
    """
    kept = Corrections.of(settings)
    if kept is None:
        raise NotReady("No corrections are kept: set DIGITS_CORRECTIONS_DIR to their directory.")
    if delete:
        names = [name for name, _ in kept.listed()] if "all" in delete else delete
        unknown = [name for name in names if not kept.delete(name)]
        for name in unknown:
            print(f"There is no correction {name}.", file=sys.stderr)
        return int(bool(unknown) and "all" not in delete)
    found = [_correction_fields(name, correction) for name, correction in kept.listed()]
    if as_json:
        print(json.dumps({"corrections": found}))
    else:
        _print_table(_CORRECTION_COLUMNS, [each | _correction_texts(each) for each in found])
    return 0


def _correction_fields(name: str, found: Correction | str) -> dict[str, Any]:
    if isinstance(found, str):
        return dict.fromkeys(_CORRECTION_COLUMNS, "-") | {"id": name, "note": f"cannot be read: {found}"}
    fields = {column: getattr(found, column, None) for column in _CORRECTION_COLUMNS}
    return fields | {"id": name, "bytes": len(found.image), "note": "suspect" if found.suspect else ""}


def _correction_texts(found: dict[str, Any]) -> dict[str, str]:
    if found["certain"] == "-":
        return {}
    return {"confidence": _cut_off(found["confidence"]), "certain": "yes" if found["certain"] else "no"}


def _print_table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows, if there are any, in aligned columns."""
    cells = [columns, *([str(row[column]) for column in columns] for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
