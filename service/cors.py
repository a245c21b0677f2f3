"""Which pages of other web sites may ask the service: none, unless DIGITS_CORS_ORIGINS names them.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from flask import Flask, Response, request

from service.logs import REQUEST_ID_HEADER
from service.settings import ANY

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": ", ".join(
        ("Authorization", "Content-Type", "X-API-Key", REQUEST_ID_HEADER, "Inference-Header-Content-Length")
    ),
    "Access-Control-Max-Age": "3600",
}


def allow(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read the answers. No cookies are involved, and none are allowed."""
    if origins:
        app.after_request(lambda response: _allow(response, origins))


def _allow(response: Response, origins: tuple[str, ...]) -> Response:
    origin = request.headers.get("Origin", "")
    response.vary.add("Origin")
    if origin not in origins and ANY not in origins:
        return response
    response.headers["Access-Control-Allow-Origin"] = ANY if ANY in origins else origin
    response.headers["Access-Control-Expose-Headers"] = f"Retry-After, {REQUEST_ID_HEADER}"
    if request.method == "OPTIONS":
        response.headers.update(_PREFLIGHT)
    return response
