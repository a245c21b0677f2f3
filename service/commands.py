"""`python -m service predict` and `python -m service models`: the service's answers without a server."""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.contract import Correction
from service.corrections import Corrections
from service.errors import DigitsError, NotReady, RequestError, TooLarge
from service.http.messages import described, to_json
from service.http.number import checked, number_fields, reduction
from service.http.predict import Options, model_of, prediction
from service.inference import second_look
from service.inference.store import Serving, Version, model_store
from service.preprocessing.decode import decode
from service.preprocessing.formats import Still, still
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit
from service.preprocessing.numbers.number import read_number
from service.preprocessing.numbers.segment import segment
from service.settings import Settings

STDIN = "-"

_OF_CORRECTIONS = ("id", "created", "digit", "read", "confidence", "certain", "version", "bytes", "note")
_COLUMNS = ("version", "state", "accuracy", "size", "made", "file", "reason")


class UnreadableFile(RequestError, code="unreadable_file"):
    """A file could not be read from the disk, whatever is in it."""


def predict(settings: Settings, files: list[str], *, as_json: bool, number: bool = False) -> int:
    """Print the digit, or the `number`, in each of `files`, `-` being stdin; return 0 if all could be read, else 1.

    What is wrong with a file stands on stderr, a line each. NotReady is raised if no version of the model serves.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    store = model_store(settings)
    store.refresh()
    if store.serving is None:
        raise NotReady(store.reason)
    width = max(4, *map(len, files))
    if not as_json:
        print(f"{'file':<{width}}  {'certain  number' if number else 'digit  confidence  certain'}")
    answers = []
    for file in files:  # each is printed as soon as it is read
        answers.append(answer := _answer(settings, store.serving, file, _number if number else _digit))
        if "error" in answer:
            print(f"{file}: {answer['error']}", file=sys.stderr, flush=True)
        elif not as_json:
            print(f"{file:<{width}}  {_line(answer)}", flush=True)
    if as_json:
        print(to_json({"predictions": answers, **model_of(store.serving.manifest)}).decode(), end="")
    return int(any("error" in answer for answer in answers))


def models(settings: Settings, *, as_json: bool) -> int:
    """Print all versions and which one would serve; return 0 if one would, else 1."""
    logging.disable(logging.CRITICAL)  # the reasons for which versions are refused are printed below
    store = model_store(settings)
    store.refresh()
    versions = [_said_of(version) for version in store.examine()]
    if as_json:
        serves = None if store.serving is None else store.serving.manifest.version
        print(json.dumps({"model": settings.model_name, "serves": serves, "versions": versions}))
    elif versions:
        print(_table([_COLUMNS, *(_row(version) for version in versions)]))
    if store.serving is None:
        print(store.reason, file=sys.stderr)
    return int(store.serving is None)


def corrections(settings: Settings, delete: Sequence[str], *, as_json: bool) -> int:
    """Delete the corrections of these names, or print all where there are none; return 0, or 1 for an unknown name.

    Raises:
        NotReady: no directory of corrections is set.
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
    found = [_said_of_correction(name, correction) for name, correction in kept.listed()]
    if as_json:
        print(json.dumps({"corrections": found}))
    elif found:
        print(_table([_OF_CORRECTIONS, *([str(row[column]) for column in _OF_CORRECTIONS] for row in found)]))
    return 0


def _said_of_correction(name: str, found: Correction | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"id": name} | dict.fromkeys(_OF_CORRECTIONS[1:-1], "-") | {"note": f"cannot be read: {found}"}
    return {
        "id": name,
        "created": found.created,
        "digit": found.digit,
        "read": found.read,
        "confidence": found.confidence,
        "certain": found.certain,
        "version": found.version,
        "bytes": len(found.image),
        "note": "suspect" if found.suspect else "",
    }


def _answer(
    settings: Settings, model: Serving, file: str, read: Callable[[Still, Grey, Serving], dict[str, Any]]
) -> dict[str, Any]:
    try:
        picture = still(_content(file, settings.max_upload_bytes))
        return {"file": file, **read(picture, decode(picture, max_pixels=settings.max_pixels), model)}
    except DigitsError as error:
        return {"file": file, **described(error)}


def _digit(picture: Still, grey: Grey, model: Serving) -> dict[str, Any]:  # noqa: ARG001
    digit = canonical_digit(grey)
    [row] = second_look.read(model.engine, digit[np.newaxis], model.manifest.certain_from)
    return prediction(row, digit, model.manifest, Options())


def _number(picture: Still, grey: Grey, model: Serving) -> dict[str, Any]:
    segmented = segment(grey, reduction(picture, grey))
    probabilities = model.engine.run(segmented.images)
    found = checked(read_number(segmented.rows, probabilities))
    return number_fields(found, segmented, probabilities, model.manifest, Options())


def _line(answer: dict[str, Any]) -> str:
    if "number" in answer:
        return f"{'yes' if answer['certain'] else 'no':<7}  {' '.join(answer['lines'])}"
    confidence = int(1e4 * answer["confidence"]) / 1e4  # cut off, not rounded: 1 would mean certainty
    return f"{answer['digit']:<5}  {confidence:<10.4f}  {'yes' if answer['certain'] else 'no'}"


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


def _said_of(version: Version) -> dict[str, Any]:
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


def _row(version: dict[str, Any]) -> tuple[str, ...]:
    accuracy = "-" if version["accuracy"] is None else f"{version['accuracy']:.2%}"
    size = f"{version['bytes'] / 1e6:.1f} MB"
    made, file = (version["created"] or "-")[:10], version["file"] or "-"
    return version["version"], version["state"], accuracy, size, made, file, version["reason"]


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as text in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
