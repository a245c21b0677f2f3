"""Bodies of requests: decompression, multipart and urlencoded forms, JSON.

Errors are MalformedRequest; too many files or fields are TooLarge.
"""

import re
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartParser, MultipartPart, ParserLimitReached, parse_options_header

from service.errors import MalformedRequest, TooLarge, UnsupportedMediaType, first_line
from service.http.answering import Request, at_most, check_names, decoded, shown

_MOST_FIELD_BYTES = 64 << 10  # of a field that is not a file
_BOUNDARY = re.compile(r"multipart/form-data; ?boundary=([A-Za-z0-9'()+_./:=?-]{1,70})")
_FILE_HEAD = re.compile(
    rb'Content-Disposition: form-data; name="(\w+)"; filename="[^"\\\r\n]{0,255}"\r\n'
    rb"(?:Content-Type: [^\r\n]{1,128}\r\n)?\r\n"
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENCODINGS = ("gzip", "x-gzip", "deflate")
_HEAD_TELLS, _NO_HEAD = 47, -15  # zlib's window bits: gzip or zlib by the head; raw deflate, as some clients send it


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return the decompressed body, or raise TooLarge if it has more than `most` bytes."""
    if encoding not in _ENCODINGS:
        raise UnsupportedMediaType(f"`Content-Encoding` {shown(encoding)} is not supported: use gzip, deflate or none.")
    head = int.from_bytes(body[:2], "big")
    has_head = encoding != "deflate" or (head >> 8 & 15 == zlib.DEFLATED and head % 31 == 0)  # RFC 1950, 2.2
    unpacking = zlib.decompressobj(_HEAD_TELLS if has_head else _NO_HEAD)
    try:
        content = unpacking.decompress(body, most + 1)
    except zlib.error:
        raise MalformedRequest(
            f"The body is not {encoding}, as `Content-Encoding` says: correct one of them."
        ) from None
    if len(content) > most:
        raise TooLarge(f"The body has more than {most:,} bytes when decompressed: send less.")
    if not unpacking.eof or unpacking.unused_data:
        raise MalformedRequest(f"The {encoding} body is incomplete, or has data after its end: correct it.")
    return content


def media_type(request: Request) -> str:
    """Return the content type in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def fields_of(
    request: Request, name: str, texts: Sequence[str], most: int | None = None
) -> tuple[dict[str, str], list[bytes]]:
    """Return the fields `texts` of a multipart form (RFC 7578), and the contents of its files `name`, at least one.

    `most` limits the files; without it the caller takes one and reports more itself.
    """
    if (content := _only_file(request, name)) is not None:
        return {}, [content]
    values: dict[str, str] = {}
    files: list[bytes] = []
    for part in _parts(request, 8 * ((most or 1) + len(texts))):
        check_names([part.name], (name, *texts), "field")
        if part.name != name:
            values[part.name] = part.raw[:_MOST_FIELD_BYTES].decode("utf-8", "replace")
        elif part.filename is None:
            raise MalformedRequest(f"The field `{name}` is text: send it as a file, with a file name.")
        else:
            files.append(part.raw)
    if not files:
        raise MalformedRequest(f"There is no file field `{name}`: send the picture in it.")
    if most is not None:
        at_most(len(files), most)
    return values, files


def _only_file(request: Request, name: str) -> bytes | None:
    """Return the content of the only file of a form, None for any other form.

    Nearly every client sends such a form, and the full parser takes as long for it as the rest of the door.
    """
    boundary = _BOUNDARY.fullmatch(request.headers["content-type"])
    delimiter = b"\r\n--" + (boundary[1].encode() if boundary else b"")
    opening = delimiter[2:] + b"\r\n"
    head = _FILE_HEAD.match(request.body, len(opening)) if boundary and request.body.startswith(opening) else None
    if head is None or head[1] != name.encode():
        return None
    end = request.body.find(delimiter, head.end())
    return request.body[head.end() : end] if request.body[end:] == delimiter + b"--\r\n" else None


def _parts(request: Request, most: int) -> list[MultipartPart]:
    boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
    if not boundary:
        raise MalformedRequest("`Content-Type` has no boundary: let the HTTP client set that header.")
    if b"--" + boundary.encode() not in request.body:
        raise MalformedRequest(
            "The boundary in `Content-Type` is not in the body: let the HTTP client set that header."
        )
    size = len(request.body)  # all of it stays in memory
    parser = MultipartParser(
        BytesIO(request.body), boundary, size, part_limit=most, spool_limit=size, memory_limit=size
    )
    try:
        return list(parser)
    except ParserLimitReached:
        raise TooLarge(f"The form has more than {most} fields, or too large names of fields: send fewer.") from None
    except MultipartError as error:
        raise MalformedRequest(f"The form is incomplete or malformed ({first_line(error)}): send all of it.") from error


def json_of(request: Request, *, urlencoded: bool = False) -> dict[str, Any]:
    """Return the object in a JSON body, or the fields of a urlencoded one."""
    if urlencoded:
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    body = request.body.removeprefix(_BYTE_ORDER_MARK)
    fields = decoded(body, Any, "JSON", "correct it, or the content type")
    if not isinstance(fields, dict):
        raise MalformedRequest("The JSON is not an object: send one.")
    return fields
