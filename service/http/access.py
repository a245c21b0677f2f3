"""What depends on a request's head alone: validity, client address, API key, CORS, path prefix.

CORS: https://fetch.spec.whatwg.org/#http-cors-protocol
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
