"""Who may ask: with DIGITS_API_KEY_FILE set, whoever presents one of its keys; health is for all."""

import hmac
from hashlib import sha256

from flask import Flask, Request, request

from service.errors import Unauthorized
from service.settings import Keys

OPEN = frozenset(("ops.livez", "ops.readyz", "oip.server_live", "oip.server_ready"))


def demand_key(app: Flask, keys: Keys) -> None:
    """Let nobody in without one of the keys, if there are any, but to see whether the service is well."""
    if keys:
        app.before_request(lambda: _check(keys))


def _check(keys: Keys) -> None:
    # What a browser asks before it asks another site (OPTIONS, for CORS) never carries a key, and tells nothing.
    if request.endpoint in OPEN or request.method == "OPTIONS":
        return
    given = sha256(_presented(request).encode("utf-8", "replace")).digest()
    # Digests of one length, and all of them compared: how long it takes says nothing of the keys.
    if not sum(hmac.compare_digest(given, key) for key in keys):
        raise Unauthorized("A key is needed: send it as `Authorization: Bearer KEY`, or as the password in a browser.")


def _presented(request: Request) -> str:
    """Return the key of a request: a Bearer token, `X-API-Key`, or the password that a browser has asked for."""
    found = request.authorization
    if found is not None and found.type == "basic":
        return found.password or ""
    if found is not None and found.type == "bearer":
        return found.token or ""
    return request.headers.get("X-API-Key", "")
