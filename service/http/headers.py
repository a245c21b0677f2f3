"""What the headers of some requests ask for: API keys, CORS, proxies in front, compressed bodies.

CORS: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import hmac
import re
import zlib
from base64 import b64decode
from hashlib import sha256

from service.errors import MalformedRequest, TooLarge, Unauthorized, UnsupportedMediaType
from service.http.answering import shown
from service.http.logs import REQUEST_ID_HEADER
from service.settings import ANY, PATH_PREFIX, Keys, Settings

OPEN = frozenset(("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"))

RawHeaders = list[tuple[bytes, bytes]]

_ENCODINGS = ("gzip", "x-gzip", "deflate")
_HEAD_TELLS, _NO_HEAD = 47, -15  # zlib's window bits: gzip or zlib by the head; raw deflate, as some clients send it
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
    allowed = ANY if ANY in origins else headers.get("origin", "")
    found: RawHeaders = [(b"vary", b"Origin")]
    if allowed not in origins:
        return found
    found += [
        (b"access-control-allow-origin", allowed.encode("latin-1")),
        (b"access-control-expose-headers", _READABLE),
    ]
    if allowed != ANY:
        found.append((b"access-control-allow-credentials", b"true"))
    return found + (_PREFLIGHT if method == "OPTIONS" else [])


def client(trusted: int, headers: dict[str, str], peer: str) -> str:
    """Return the client's address: the one that the trusted proxies give, counted from the last, else the peer's."""
    named = headers.get("x-forwarded-for", "").split(",")
    return named[-trusted].strip() if "x-forwarded-for" in headers and len(named) >= trusted else peer


def below_prefix(settings: Settings, headers: dict[str, str], path: str) -> tuple[str, str]:
    """Return the path prefix, the proxy's X-Forwarded-Prefix if trusted, else the setting, and the path below it."""
    prefix = settings.root_path
    if settings.trusted_proxies and "x-forwarded-prefix" in headers:
        named = headers["x-forwarded-prefix"].rpartition(",")[2].strip()
        prefix = named if re.fullmatch(PATH_PREFIX, named) else prefix
    prefix = prefix.rstrip("/")
    if f"{path}/".startswith(f"{prefix}/"):  # unless the proxy has removed it
        path = path[len(prefix) :] or "/"
    return prefix, path


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
