"""A request as front.py sees it: its head (validity, client address, API key, CORS, path prefix), its body, its answer.

CORS: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import asyncio
import hmac
import re
import zlib
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from service.errors import ExpectationFailed, MalformedRequest, TooBusy, TooLarge, Unauthorized, UnsupportedMediaType
from service.http.answering import NO_SNIFFING, Response, body_too_large, shown
from service.http.logs import REQUEST_ID_HEADER, Notes, request_id
from service.settings import ANY, PATH_PREFIX, Keys, Settings

OPEN = frozenset(("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"))

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

FULL = "The service is overloaded: try again after `Retry-After` seconds."
_ENCODINGS = ("gzip", "x-gzip", "deflate")
_HEAD_TELLS, _NO_HEAD = 47, -15  # zlib's window bits: gzip or zlib by the head; raw deflate, as some clients send it
_GONE = "The client closed the connection before the answer was ready: keep it open."
_LINGER_SECONDS = 5.0  # for a rejected client to stop sending and read its answer

_NO_SNIFFING = (NO_SNIFFING[0].lower().encode(), NO_SNIFFING[1].encode())
_ID = REQUEST_ID_HEADER.lower().encode()

_READABLE = f"Retry-After, {REQUEST_ID_HEADER}, Inference-Header-Content-Length".encode()
_SENT = (
    "Authorization, Content-Type, Content-Encoding, X-API-Key, Inference-Header-Content-Length, "
    f"{REQUEST_ID_HEADER}, X-Requested-With, traceparent, tracestate, baggage"
).encode()
_PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", _SENT),
    (b"access-control-max-age", b"3600"),
]


class Exchange:
    """A request and how to answer it; `headers` are the request's, by lower-case names, `extra` the answer's."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._settings = settings
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if prefix := path_prefix(settings, self.headers):
            scope["root_path"], scope["path"] = prefix, below(prefix, scope["path"])
        self.notes = Notes(
            request_id(self.headers.get("x-request-id", "")),
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            client(settings, scope, self.headers),
            int(self.headers.get("content-length", 0)),
        )
        self._unread = self.notes.bytes_in > 0 or "transfer-encoding" in self.headers
        self._extra = [_NO_SNIFFING, (_ID, self.notes.request_id.encode())]
        if settings.cors_origins:
            self._extra += cors_headers(settings.cors_origins, scope["method"], self.headers)

    def admit(self, started: float) -> None:
        """Raise a DigitsError for a request that can be rejected by its head alone; `started` is the time now."""
        settings, state = self._settings, self.scope["state"]
        if "error" in state:
            raise state["error"]
        check_head(self.scope, self.headers)
        if settings.api_key_file:
            demand_key(settings.api_key_file, self.scope["method"], self.scope["path"], self.headers)
        if started - state.get("received", started) > settings.queue_seconds:
            raise TooBusy(FULL)
        if self.notes.bytes_in > settings.max_upload_bytes:
            raise body_too_large(settings)

    async def body(self) -> bytes:
        """Return the body, or raise the error that ended the request while it arrived."""
        message = await self._receive()
        if "error" in self.scope["state"]:
            raise self.scope["state"]["error"]
        if message["type"] == "http.disconnect":
            raise MalformedRequest(_GONE)
        self._unread = False
        content: bytes = message["body"]
        return content

    def check_client(self) -> None:
        """Raise MalformedRequest, which stops the work, if the client has gone."""
        if "gone" in self.scope["state"]:
            raise MalformedRequest(_GONE)

    async def give(self, response: Response) -> None:
        """Send the answer. If the request was not read in full, the connection closes after a moment to read it."""
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers] + self._extra
        if response.body:
            lines.append((b"content-length", b"%d" % len(response.body)))
        if self._unread:
            lines.append((b"connection", b"close"))
        self.notes.status, self.notes.bytes_out = response.status, len(response.body)
        await self._send({"type": "http.response.start", "status": response.status, "headers": lines})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": self._unread})
        if self._unread:  # a connection that is reset while the client sends may lose the answer
            with suppress(TimeoutError):
                await asyncio.wait_for(self._receive(), _LINGER_SECONDS)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def check_head(scope: Scope, headers: dict[str, str]) -> None:
    """Raise MalformedRequest or ExpectationFailed for a head that the parser accepts but HTTP/1.1 forbids."""
    if scope["http_version"] not in ("1.0", "1.1"):
        raise MalformedRequest("The HTTP version is not supported: use HTTP/1.1.")
    if "transfer-encoding" in headers and scope["http_version"] == "1.0":
        raise MalformedRequest("HTTP/1.0 has no `Transfer-Encoding`: send a `Content-Length`.")
    if "host" not in headers and scope["http_version"] == "1.1":
        raise MalformedRequest("The request has no `Host` header, which HTTP/1.1 requires: send it.")
    if not scope["query_string"].isascii():
        raise MalformedRequest("The address has bytes that are not ASCII: percent-encode them.")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise ExpectationFailed("Only `Expect: 100-continue` is supported: remove the header.")


def client(settings: Settings, scope: Scope, headers: dict[str, str]) -> str:
    """Return the client's address: the peer's, or the one that the trusted proxies give, counted from the last."""
    named = headers.get("x-forwarded-for", "").split(",")
    if settings.trusted_proxies and "x-forwarded-for" in headers and len(named) >= settings.trusted_proxies:
        return named[-settings.trusted_proxies].strip()
    return scope["client"][0] if scope["client"] else "-"


def demand_key(keys: Keys, method: str, path: str, headers: dict[str, str]) -> None:
    """Raise Unauthorized for a request without one of the keys, except for health probes."""
    # Browsers send no key with a CORS preflight (OPTIONS), whose answer reveals nothing.
    if path in OPEN or method == "OPTIONS":
        return
    given = sha256(_presented(headers).encode("utf-8", "replace")).digest()
    # All digests are compared, and have one length, so the time reveals nothing about the keys.
    if not sum(hmac.compare_digest(given, key) for key in keys):
        raise Unauthorized(
            "An API key is required: send it as `Authorization: Bearer KEY`, or as the password in a browser."
        )


def _presented(headers: dict[str, str]) -> str:
    """Return the key in a request: a Bearer token, `X-API-Key`, or the password of Basic authentication."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(value.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
        except ValueError:
            return ""
    if scheme.lower() == "bearer":
        return value.strip()
    return headers.get("x-api-key", "")


def cors_headers(origins: tuple[str, ...], method: str, headers: dict[str, str]) -> RawHeaders:
    """Return the CORS headers of an answer; credentials are allowed for origins listed by name only."""
    origin = headers.get("origin", "")
    found: RawHeaders = [(b"vary", b"Origin")]
    if origin not in origins and ANY not in origins:
        return found
    allowed = ANY if ANY in origins else origin
    found += [
        (b"access-control-allow-origin", allowed.encode("latin-1")),
        (b"access-control-expose-headers", _READABLE),
    ]
    if allowed != ANY:
        found.append((b"access-control-allow-credentials", b"true"))
    return found + (_PREFLIGHT if method == "OPTIONS" else [])


def path_prefix(settings: Settings, headers: dict[str, str]) -> str:
    """Return the path prefix: the proxy's X-Forwarded-Prefix if trusted, else the setting; empty if none."""
    if settings.trusted_proxies and "x-forwarded-prefix" in headers:
        prefix = headers["x-forwarded-prefix"].rpartition(",")[2].strip()
        if re.fullmatch(PATH_PREFIX, prefix):
            return prefix.rstrip("/")
    return settings.root_path.rstrip("/")


def below(prefix: str, path: str) -> str:
    """Return a path without the prefix, which the proxy may have removed already."""
    return path[len(prefix) :] or "/" if f"{path}/".startswith(f"{prefix}/") else path


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
