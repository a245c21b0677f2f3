"""`POST /predict` and `POST /predict/batch`: pictures in, digits out.

Errors of parsing are MalformedRequest; too many pictures are TooLarge, other content types UnsupportedMediaType.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import cv2
import msgspec
import numpy as np
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from service.contract import LABELS, Manifest
from service.errors import MalformedRequest, NoDigit, RequestError, TooLarge, UnsupportedMediaType, first_line
from service.http.answering import Question, Request, Response, at_most, attempt, check_names, described, shown, to_json
from service.http.metrics import Metrics
from service.inference.engine import Probabilities, sees_digit
from service.preprocessing.illumination import Grey
from service.settings import Settings

FIELD, LIST = "image", "images"
OPTIONS = ("top_k", "seen")
FORM, BYTES, JSON_TYPE = "multipart/form-data", "application/octet-stream", "application/json"
URLENCODED = "application/x-www-form-urlencoded"

_MOST_FIELD_BYTES = 64 << 10  # of a field that is not a file
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOP_K: dict[str | None, int] = {None: 0, **{str(k): k for k in range(1, len(LABELS) + 1)}}
_STANDARD = str.maketrans("-_", "+/", "\r\n")  # the alphabet of base64
_FLAGS: dict[str | None, bool] = dict.fromkeys(("true", "True", "1"), True)
_FLAGS |= dict.fromkeys((None, "false", "False", "0"), False)
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
        if top_k not in _TOP_K:
            raise MalformedRequest(f"top_k={shown(top_k)} is not allowed: use a whole number from 1 to {len(LABELS)}.")
        if seen not in _FLAGS:
            raise MalformedRequest(f"seen={shown(seen)} is not allowed: use true or false.")
        return cls(_TOP_K[top_k], _FLAGS[seen])


@dataclass
class Pictures(Question):
    """One picture, or a batch, which keeps errors."""

    options: Options
    keeps_errors: bool = False

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        """Return the digit and the model that answered; of a batch a digit or an error for each picture, in order."""
        rows = iter(probabilities)
        found = [self._one(digit, rows, manifest) for digit in self.digits]
        fields = {"predictions": found} if self.keeps_errors else found[0]
        return Response(to_json(fields | model_of(manifest)))

    def _one(self, digit: Grey | RequestError, rows: Iterator[Probabilities], manifest: Manifest) -> dict[str, Any]:
        try:
            if isinstance(digit, RequestError):
                raise digit
            return prediction(next(rows), digit, manifest, self.options)
        except RequestError as error:
            if not self.keeps_errors:
                raise
            return described(error)

    def count(self, metrics: Metrics, manifest: Manifest, probabilities: Probabilities) -> None:
        """Count the digits and, in a batch, the errors."""
        seen = sees_digit(probabilities)
        if not seen.all():
            metrics.errors.labels(NoDigit.code).inc(int((~seen).sum()))
            self.images, probabilities = self.inputs()[0][seen], probabilities[seen]
        super().count(metrics, manifest, probabilities)


def read(request: Request, settings: Settings) -> Pictures:  # noqa: ARG001
    pictures, values = pictures_and_values(request, OPTIONS)
    return Pictures(pictures, Options.of(values))


def read_batch(request: Request, settings: Settings) -> Pictures:
    pictures, values = pictures_and_values(request, OPTIONS, settings.max_batch)
    return Pictures(pictures, Options.of(values), keeps_errors=True)


def pictures_and_values(
    request: Request, names: Sequence[str], most: int | None = None
) -> tuple[list[bytes | RequestError], dict[str, Any]]:
    """Return the pictures in a request, one or up to `most`, and its other fields, which may be `names`."""
    query = request.parameters(*names)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if most is None and (kind.startswith("image/") or kind == BYTES):
        return [_filled(request.body)], dict(query)
    if kind == FORM:
        values, files = fields_of(request, names, most)
        if most is None and len(files) != 1:
            raise MalformedRequest(
                f"There are {len(files)} fields `{FIELD}`: send one a request, or digits to POST /predict/batch."
            )
        return [attempt(_filled, file) for file in files], values | query
    name, forms = (FIELD, _ONE) if most is None else (LIST, _MANY)
    values = _json(request, kind, name, forms, names)
    texts = [values[name]] if most is None else values[name]
    if not isinstance(texts, list) or not texts:
        raise MalformedRequest(f"`{LIST}` is not a list of pictures: send a list of base64 strings.")
    at_most(len(texts), most or 1)
    return [attempt(picture_in, text) for text in texts], values | query


def fields_of(request: Request, texts: Sequence[str], most: int | None = None) -> tuple[dict[str, str], list[bytes]]:
    """Return the fields `texts` of a multipart form (RFC 7578), and the contents of its files `image`, at least one.

    `most` limits the files; without it the caller takes one and reports more itself.
    """
    values: dict[str, str] = {}
    files: list[bytes] = []
    for part, content in _parts(request, 8 * ((most or 1) + len(texts))):
        check_names([part.name], (FIELD, *texts), "field")
        if part.name != FIELD:
            values[part.name] = content[:_MOST_FIELD_BYTES].decode("utf-8", "replace")
        elif part.filename is None and (part.content_type or "text/").lower().startswith("text/"):
            raise MalformedRequest(f"The field `{FIELD}` is text: send it as a file, with a file name.")
        else:
            files.append(content)
    if not files:
        raise MalformedRequest(f"There is no file field `{FIELD}`: send the picture in it.")
    if most is not None:
        at_most(len(files), most)
    return values, files


def _parts(request: Request, most: int) -> list[tuple[MultipartSegment, bytes]]:
    """Return the head and the content of each of a form's parts."""
    boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
    if not boundary:
        raise MalformedRequest("`Content-Type` has no boundary: let the HTTP client set that header.")
    if b"--" + boundary.encode() not in request.body:
        raise MalformedRequest(
            "The boundary in `Content-Type` is not in the body: let the HTTP client set that header."
        )
    parts = []
    try:
        with PushMultipartParser(boundary, max_segment_count=most) as parser:
            for event in parser.parse(request.body):  # of a part its head, its content if it has any, None
                if isinstance(event, MultipartSegment):
                    head, content = event, b""
                elif event is None:
                    parts.append((head, content))
                else:
                    content = event
    except ParserLimitReached:
        raise TooLarge(f"The form has more than {most} fields, or too large names of fields: send fewer.") from None
    except MultipartError as error:
        raise MalformedRequest(f"The form is incomplete or malformed ({first_line(error)}): send all of it.") from error
    return parts


def _json(request: Request, kind: str, name: str, forms: str, options: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a JSON or urlencoded body, among them `name`."""
    if kind == URLENCODED:
        values = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if name not in values:
            raise UnsupportedMediaType(f"There is no field `{name}` in the form: {forms}.")
    elif kind == JSON_TYPE or kind.endswith("+json"):
        body = request.body.removeprefix(_BYTE_ORDER_MARK)
        values = decoded(body, dict[str, Any], "a JSON object", "correct it, or the content type")
    else:
        found = f"The content type {shown(kind)}" if kind else "A request without a content type"
        raise UnsupportedMediaType(f"{found} is not supported: {forms}.")
    check_names(values, (name, *options), "field")
    if name not in values:
        raise MalformedRequest(f"There is no field `{name}`: {forms}.")
    return values


def decoded(body: bytes, kind: Any, what: str, hint: str) -> Any:
    """Return the JSON in `body` as `kind`, or raise MalformedRequest: it is not `what`, with the reason and a hint."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"The body is not {what} ({first_line(error)}): {hint}.") from None


def _filled(content: bytes) -> bytes:
    if not content:
        raise MalformedRequest("The picture is empty: send its bytes.")
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
        return _filled(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except ValueError:
        raise MalformedRequest("The picture is not base64: send its bytes as base64 (`base64 -w0 FILE`).") from None


def prediction(row: Probabilities, seen: Any, manifest: Manifest, options: Options) -> dict[str, Any]:
    """Return the answer for one picture: `row` is float32 [10], `seen` uint8 [28, 28].

    Raises:
        NoDigit: the model sees none.
    """
    if not sees_digit(row):
        raise NoDigit("The picture shows something that is not a digit: send one digit on its own.")
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
