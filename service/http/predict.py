"""`POST /predict` and `POST /predict/batch`: pictures in, digits out.

Errors of parsing are MalformedRequest; too many pictures are TooLarge, other content types UnsupportedMediaType.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from service.contract import LABELS, Manifest
from service.errors import MalformedRequest, RequestError, UnsupportedMediaType
from service.http.answering import (
    Digits,
    Question,
    Request,
    Response,
    at_most,
    attempt,
    check_names,
    described,
    shown,
    to_json,
)
from service.http.forms import fields_of, json_of, media_type
from service.inference.engine import Probabilities
from service.inference.store import Serving
from service.settings import Settings

FIELD, LIST = "image", "images"
OPTIONS = ("top_k", "seen")
FORM, BYTES, JSON_TYPE = "multipart/form-data", "application/octet-stream", "application/json"
URLENCODED = "application/x-www-form-urlencoded"

_TOP_K = {str(k): k for k in range(1, len(LABELS) + 1)}
_STANDARD = str.maketrans("-_", "+/", "\r\n")  # the alphabet of base64
_FLAGS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
_ONE = (
    f"send {FORM} with a file field `{FIELD}`, the bytes of the picture as image/* or {BYTES}, "
    f'or {JSON_TYPE} {{"{FIELD}": "<base64>"}}'
)
_MANY = f'send {FORM} with repeated file fields `{FIELD}`, or {JSON_TYPE} {{"{LIST}": ["<base64>"]}}'


class Options(NamedTuple):
    """Extra fields of an answer: the `top_k` likeliest digits; the 28x28 picture that the model has `seen`."""

    top_k: int = 0
    seen: bool = False

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Options":
        top_k, seen = (None if values.get(name) is None else str(values[name]) for name in OPTIONS)
        if top_k is not None and top_k not in _TOP_K:
            raise MalformedRequest(f"top_k={shown(top_k)} is not allowed: use a whole number from 1 to {len(LABELS)}.")
        if seen is not None and seen not in _FLAGS:
            raise MalformedRequest(f"seen={shown(seen)} is not allowed: use true or false.")
        return cls(_TOP_K.get(top_k or "", 0), _FLAGS.get(seen or "", False))


@dataclass
class One(Question):
    options: Options

    def answer(self, model: Serving, digits: Digits, probabilities: Probabilities) -> Response:
        """Return the digit, its probabilities and the model that answered."""
        [digit], [row] = digits, probabilities
        return Response(to_json(prediction(row, digit, model.manifest, self.options) | model_of(model.manifest)))


@dataclass
class Many(Question):
    options: Options
    keeps_errors = True

    def answer(self, model: Serving, digits: Digits, probabilities: Probabilities) -> Response:
        """Return a digit or an error for each picture, in their order."""
        rows = iter(probabilities)
        predictions = [
            described(digit)
            if isinstance(digit, RequestError)
            else prediction(next(rows), digit, model.manifest, self.options)
            for digit in digits
        ]
        return Response(to_json({"predictions": predictions} | model_of(model.manifest)))


def read(request: Request, settings: Settings) -> One:  # noqa: ARG001
    picture, values = picture_and_values(request, OPTIONS)
    return One([picture], Options.of(values))


def picture_and_values(request: Request, names: Sequence[str]) -> tuple[bytes, dict[str, Any]]:
    """Return the one picture in a request, and the other fields `names` of its query, form or JSON."""
    query = request.parameters(*names)
    kind = media_type(request)
    if kind.startswith("image/") or kind == BYTES:
        if not request.body:
            raise MalformedRequest("The body is empty: send the bytes of a picture.")
        return request.body, dict(query)
    if kind == FORM:
        values, files = fields_of(request, FIELD, names)
        if len(files) != 1:
            raise MalformedRequest(f"There are {len(files)} fields `{FIELD}`: send one, or use POST /predict/batch.")
        return _file(files[0]), values | query
    values = _json(request, kind, FIELD, _ONE, names)
    return picture_in(values[FIELD]), values | query


def read_batch(request: Request, settings: Settings) -> Many:
    query = request.parameters(*OPTIONS)
    kind = media_type(request)
    if kind == FORM:
        values, files = fields_of(request, FIELD, OPTIONS, most=settings.max_batch)
        return Many([attempt(_file, file) for file in files], Options.of(values | query))
    values = _json(request, kind, LIST, _MANY, OPTIONS)
    if not isinstance(pictures := values[LIST], list) or not pictures:
        raise MalformedRequest(f"`{LIST}` is not a list of pictures: send a list of base64 strings.")
    at_most(len(pictures), settings.max_batch)
    return Many([attempt(picture_in, picture) for picture in pictures], Options.of(values | query))


def _json(request: Request, kind: str, name: str, forms: str, options: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a JSON or urlencoded body, among them `name`."""
    if kind not in (JSON_TYPE, URLENCODED) and not kind.endswith("+json"):
        found = f"The content type {shown(kind)}" if kind else "A request without a content type"
        raise UnsupportedMediaType(f"{found} is not supported: {forms}.")
    values = json_of(request, urlencoded=kind == URLENCODED)
    if kind == URLENCODED and name not in values:
        raise UnsupportedMediaType(f"There is no field `{name}` in the form: {forms}.")
    check_names(values, (name, *options), "field")
    if name not in values:
        raise MalformedRequest(f"There is no field `{name}`: {forms}.")
    return values


def _file(content: bytes) -> bytes:
    if not content:
        raise MalformedRequest(f"The file in `{FIELD}` is empty: send the bytes of a picture.")
    return content


def picture_in(text: Any) -> bytes:
    """Return the bytes of a picture in base64, as a data URL or alone, in either alphabet, padded or not.

    Line breaks are removed, and spaces, which shells make of them. Without any `+`, spaces are what forms made of it.
    """
    if not isinstance(text, str):
        raise MalformedRequest("The picture is not a string: send its bytes as base64.")
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise MalformedRequest("The data URL is not base64: send `data:image/png;base64,...`.")
    text = text.strip().replace(" ", "" if "+" in text else "+").rstrip("=").translate(_STANDARD)
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise MalformedRequest("The picture is not base64: send its bytes as base64 (`base64 -w0 FILE`).") from None
    if not content:
        raise MalformedRequest("The picture is empty: send its bytes as base64.")
    return content


def prediction(row: Probabilities, seen: Any, manifest: Manifest, options: Options) -> dict[str, Any]:
    """Return the answer for one picture: `row` is float32 [10], `seen` uint8 [28, 28]."""
    digit = int(row.argmax())
    answer: dict[str, Any] = {
        "digit": digit,
        "confidence": row[digit],
        "certain": bool(row[digit] >= manifest.certain_from),
        "probabilities": row,
    }
    if options.top_k:
        ranking = np.argsort(-row, kind="stable")[: options.top_k].tolist()
        answer["top_k"] = [{"digit": label, "probability": row[label]} for label in ranking]
    if options.seen:
        answer["seen"] = base64.b64encode(png(seen)).decode("ascii")
    return answer


def png(image: Any) -> bytes:
    """Return an image, uint8 [height, width], as the bytes of a PNG."""
    return cv2.imencode(".png", image)[1].tobytes()


def model_of(manifest: Manifest) -> dict[str, Any]:
    return {"model": {"name": manifest.name, "version": manifest.version}}
