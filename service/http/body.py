"""Unpacks compressed request bodies."""

import zlib

from service.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from service.http.messages import shown

_ENCODINGS = ("gzip", "x-gzip", "deflate")
_HEAD_TELLS, _NO_HEAD = 47, -15  # zlib's window bits: gzip or zlib by its head; deflate alone, as some clients send it


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return the decompressed body, gzip or deflate, or raise what is wrong with it.

    No more than `most` bytes are decompressed: of a larger one TooLarge is raised.
    """
    if encoding not in _ENCODINGS:
        raise UnsupportedMediaType(
            f"`Content-Encoding` {shown(encoding)} is not read here: send gzip, deflate or none."
        )
    head = int.from_bytes(body[:2], "big")
    has_head = encoding != "deflate" or (head >> 8 & 15 == zlib.DEFLATED and head % 31 == 0)  # RFC 1950, 2.2
    unpacking = zlib.decompressobj(_HEAD_TELLS if has_head else _NO_HEAD)
    try:
        content = unpacking.decompress(body, most + 1)
    except zlib.error:
        raise MalformedRequest(
            f"The body is not what `Content-Encoding: {encoding}` says: correct one of them."
        ) from None
    if len(content) > most:
        raise TooLarge(f"The body has more than {most:,} bytes when it is unpacked: send less.")
    if not unpacking.eof or unpacking.unused_data:
        raise MalformedRequest(f"The {encoding} body ends early or goes on behind its end: send all of it, once.")
    return content
