"""What a request's head says: is it sound; who asks, and with which key; for a page of which site; below which path.

https://fetch.spec.whatwg.org/#http-cors-protocol describes the headers for other sites.
"""

import hmac
import re
from base64 import b64decode
from hashlib import sha256
from typing import Any

from service.errors import ExpectationFailed, MalformedRequest, Unauthorized
from service.http.logs import REQUEST_ID_HEADER
from service.settings import ANY, PATH_PREFIX, Keys, Settings

OPEN = frozenset(("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"))

Scope = dict[str, Any]
RawHeaders = list[tuple[bytes, bytes]]

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


def check_head(scope: Scope, headers: dict[str, str]) -> None:
    """Raise MalformedRequest or ExpectationFailed over a head that the parser took and HTTP/1.1 does not allow."""
    if scope["http_version"] not in ("1.0", "1.1"):
        raise MalformedRequest("The request line names no version of HTTP that is spoken here: send HTTP/1.1.")
    if "transfer-encoding" in headers and scope["http_version"] == "1.0":
        raise MalformedRequest("HTTP/1.0 knows no `Transfer-Encoding`: send a `Content-Length`.")
    if "host" not in headers and scope["http_version"] == "1.1":
        raise MalformedRequest("The request has no `Host` header, which HTTP/1.1 demands: send it.")
    if not scope["query_string"].isascii():
        raise MalformedRequest("The address has bytes that are not ASCII: percent-encode them.")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise ExpectationFailed("Only `Expect: 100-continue` is understood: leave the header out.")


def client(settings: Settings, scope: Scope, headers: dict[str, str]) -> str:
    """Return who asks: the peer, or whom the trusted proxies name, counted from the last."""
    named = headers.get("x-forwarded-for", "").split(",")
    if settings.trusted_proxies and "x-forwarded-for" in headers and len(named) >= settings.trusted_proxies:
        return named[-settings.trusted_proxies].strip()
    return scope["client"][0] if scope["client"] else "-"


def demand_key(keys: Keys, method: str, path: str, headers: dict[str, str]) -> None:
    """Raise Unauthorized for a request without one of the keys, unless it asks whether the service is well."""
    # What a browser asks before it asks another site (OPTIONS, for CORS) never carries a key, and tells nothing.
    if path in OPEN or method == "OPTIONS":
        return
    given = sha256(_presented(headers).encode("utf-8", "replace")).digest()
    # Digests of one length, and all of them compared: how long it takes says nothing of the keys.
    if not sum(hmac.compare_digest(given, key) for key in keys):
        raise Unauthorized("A key is needed: send it as `Authorization: Bearer KEY`, or as the password in a browser.")


def _presented(headers: dict[str, str]) -> str:
    """Return the key of a request: a Bearer token, `X-API-Key`, or the password that a browser has asked for."""
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
    """Return the headers that let a page of another site read the answer, where that site is one of `origins`.

    Credentials are for sites that are named, never for any.
    """
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
    """Return the path below which a proxy serves this, empty where there is none: its own word, else the setting."""
    if settings.trusted_proxies and "x-forwarded-prefix" in headers:
        prefix = headers["x-forwarded-prefix"].rpartition(",")[2].strip()
        if re.fullmatch(PATH_PREFIX, prefix):
            return prefix.rstrip("/")
    return settings.root_path.rstrip("/")


def below(prefix: str, path: str) -> str:
    """Return a path without the prefix, which the proxy may have taken off already."""
    return path[len(prefix) :] or "/" if f"{path}/".startswith(f"{prefix}/") else path
