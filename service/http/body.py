"""Reads request bodies, bounded in bytes, in time and in memory of all together."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from service.errors import DigitsError, MalformedRequest, SlowRequest, TooBusy, TooLarge, UnsupportedMediaType
from service.http.messages import shown
from service.settings import Settings

Receive = Callable[[], Awaitable[dict[str, Any]]]

_DISCARDED = 4  # times the largest body: what a rejected client may still send
_LINGER_SECONDS = 5.0  # for it to do so
_HELD = 8  # times the largest body: what unfinished bodies of a worker may hold
_ENCODINGS = ("gzip", "x-gzip", "deflate")
_HEAD_TELLS, _NO_HEAD = 47, -15  # zlib's window bits: gzip or zlib by its head; deflate alone, as some clients send it


class Arrivals:
    """Limits of the bodies that a worker reads, and the bytes that unfinished ones hold."""

    def __init__(self, settings: Settings) -> None:
        """Take the limits from the settings."""
        self.most = settings.max_upload_bytes
        self.seconds = settings.request_seconds
        self.held = 0  # bytes of those that are not complete


class Body:
    """The body of one request.

    The connection sets `error` in ASGI's `state` to end the request, and `gone` when the client has left.
    """

    def __init__(self, arrivals: Arrivals, headers: dict[str, str], state: dict[str, Any], receive: Receive) -> None:
        """Read nothing yet."""
        self._arrivals = arrivals
        self._length = int(headers.get("content-length", 0))
        self._state = state
        self.receive = receive
        self._held = 0
        self.complete = not self._length and "transfer-encoding" not in headers

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            TooLarge, SlowRequest: it has too many bytes, or arrives too slowly.
            TooBusy: all clients together send too much.
            MalformedRequest: it breaks off.
        """
        self._check(self._length)
        if self.complete:
            return b""
        if "complete" in self._state:  # no timer needed; one would double the cost
            part = await self._part()
            self._check(len(part))
            return part
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._arrivals.seconds):
                while not self.complete:
                    parts.append(await self._part())
                    self._hold(len(parts[-1]))
        except TimeoutError:
            raise SlowRequest("The request took too long to arrive: send it again.") from None
        finally:
            self._arrivals.held -= self._held
        return b"".join(parts)

    def _hold(self, more: int) -> None:
        self._held += more
        self._arrivals.held += more
        self._check(self._held)
        if self._arrivals.held > _HELD * self._arrivals.most:
            raise TooBusy("Too much is being sent at once: try again after the seconds in `Retry-After`.")

    def _check(self, size: int) -> None:
        if size > self._arrivals.most:
            raise TooLarge(f"The body has more than {self._arrivals.most:,} bytes: send less.")

    async def _part(self) -> bytes:
        message = await self.receive()
        error: DigitsError | None = self._state.get("error")
        if error is not None:
            raise error
        if message["type"] == "http.disconnect":
            self.check_client(gone=True)
        self.complete = not message.get("more_body", False)
        part: bytes = message["body"]
        return part

    def check_client(self, *, gone: bool = False) -> None:
        """Stop work whose client has gone.

        Raises:
            MalformedRequest: the client has closed its side of the connection.
        """
        if gone or "gone" in self._state:
            raise MalformedRequest("The client closed the connection before its answer was ready: keep it open.")

    async def discard(self) -> None:
        """Read and drop what the client still sends: a connection reset while it sends may lose the answer."""
        left = _DISCARDED * self._arrivals.most
        with suppress(TimeoutError, DigitsError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.complete and left > 0:
                    left -= len(await self._part())


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return the decompressed body, gzip or deflate.

    Raises:
        UnsupportedMediaType: the encoding is another one.
        MalformedRequest: the body is not of that encoding, or ends early.
        TooLarge: it has more than `most` bytes decompressed; no more are decompressed.
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
