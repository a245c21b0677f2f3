"""The pictures of a request, in whichever of the documented forms it came."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest

from service.errors import MalformedRequest, RequestError, TooLarge, UnsupportedMediaType

FIELD = "image"
FORMS = (
    f"multipart/form-data with a file field `{FIELD}`, the bytes of the picture as image/* or "
    f'application/octet-stream, or application/json {{"{FIELD}": "<base64>"}}'
)
BATCH_FORMS = f'multipart/form-data with repeated file fields `{FIELD}`, or application/json {{"images": ["<base64>"]}}'

Upload = bytes | RequestError


def one_picture(request: Request) -> bytes:
    """Return the encoded bytes of the one picture in the request.

    Raises:
        MalformedRequest: there is none, more than one, or it is empty or no base64.
        UnsupportedMediaType: the content type is none of those in `FORMS`.
    """
    if request.mimetype == "multipart/form-data":
        files = request.files.getlist(FIELD)
        if len(files) > 1:
            raise MalformedRequest(f"There are {len(files)} fields `{FIELD}`: send one, or use POST /predict/batch.")
        return _from_file(files[0]) if files else _no_file(request)
    if request.is_json:
        return from_base64(_json_field(request, FIELD))
    if request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream":
        return _not_empty(request.get_data(cache=False), "The body is empty: send the bytes of a picture.")
    raise _unsupported(request, FORMS)


def many_pictures(request: Request, most: int) -> list[Upload]:
    """Return the encoded bytes of each picture of a batch, or what is wrong with it, in their order.

    Raises:
        MalformedRequest: there is none, or the list of them is no list.
        TooLarge: there are more than `most`.
        UnsupportedMediaType: the content type is none of those in `BATCH_FORMS`.
    """
    if request.mimetype == "multipart/form-data":
        files = request.files.getlist(FIELD)
        if not files:
            _no_file(request)
        return [_attempt(_from_file, file) for file in _at_most(files, most)]
    if request.is_json:
        images = _json_field(request, "images")
        if not isinstance(images, list) or not images:
            raise MalformedRequest("`images` is no list with something in it: send a list of base64 texts.")
        return [_attempt(from_base64, image) for image in _at_most(images, most)]
    raise _unsupported(request, BATCH_FORMS)


def _at_most(images: list[Any], most: int) -> list[Any]:
    if len(images) > most:
        raise TooLarge(f"There are {len(images)} pictures, allowed are {most}: send the rest in another request.")
    return images


def _attempt(read: Callable[[Any], bytes], image: Any) -> Upload:
    try:
        return read(image)
    except RequestError as error:
        return error


def _no_file(request: Request) -> bytes:
    if FIELD in request.form:
        raise MalformedRequest(f"The field `{FIELD}` is a text: send it as a file, with a file name.")
    raise MalformedRequest(f"There is no file field `{FIELD}`: send the picture under that name.")


def _from_file(file: FileStorage) -> bytes:
    return _not_empty(file.read(), f"The file in `{FIELD}` is empty: send the bytes of a picture.")


def from_base64(text: Any) -> bytes:
    """Return the bytes of a picture in base64, line breaks and the head of a data URL allowed.

    Raises:
        MalformedRequest: it is no text, no base64, or empty.
    """
    if not isinstance(text, str):
        raise MalformedRequest("The picture is no text: send its bytes as base64.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        # Line breaks are what the `base64` command puts in; anything else that does not belong is an error.
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("The picture is no base64: send its bytes as standard base64, with padding.") from None
    return _not_empty(content, "The picture is empty: send its bytes as base64.")


def _json_field(request: Request, name: str) -> Any:
    try:
        fields = request.get_json(cache=False)
    except (BadRequest, RecursionError):
        raise MalformedRequest("The body is no JSON: check it, or send another content type.") from None
    if not isinstance(fields, dict) or name not in fields:
        raise MalformedRequest(f"The JSON has no `{name}`: send an object with that field.")
    return fields[name]


def _not_empty(content: bytes, otherwise: str) -> bytes:
    if not content:
        raise MalformedRequest(otherwise)
    return content


def _unsupported(request: Request, forms: str) -> UnsupportedMediaType:
    found = f"The content type {request.mimetype!r}" if request.mimetype else "A request without a content type"
    return UnsupportedMediaType(f"{found} is not read here: send {forms}.")
