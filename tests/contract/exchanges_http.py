"""Requests about HTTP itself: routes and methods, API keys, CORS, connections, malformed messages."""

from collections.abc import Iterator
from typing import Any

from tests.contract.exchanges import (
    MODEL,
    PNG,
    Exchange,
    basic,
    chunked,
    error,
    head,
    large,
    post,
    post_form,
    post_json,
    seven,
    whole,
)
from tests.contract.server import KEY, ORIGIN, OTHER_KEY

ROUTES = ("/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/v2", MODEL, "/predict", "/predict/batch")
CHALLENGES = {"WWW-Authenticate": ['Basic realm="digits"', 'Bearer realm="digits"']}
A_LINE_EACH = "Chromium reads a header line as one challenge"


def routes() -> Iterator[Exchange]:
    """Routes, methods and unknown paths."""
    for path in ROUTES:
        for method in ("GET", "HEAD", "OPTIONS") if path != "/predict" else ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            yield Exchange(f"route: {method} {path}", whole(method, path))
    yield Exchange("route: POST /", post("/", b"", *PNG))
    yield Exchange("route: the page", whole("GET", "/", b"", "Accept: text/html,*/*;q=0.8"))
    yield Exchange("route: HEAD of the page", whole("HEAD", "/", b"", "Accept: text/html"))
    yield Exchange("route: OpenMetrics", whole("GET", "/metrics", b"", "Accept: application/openmetrics-text"))
    yield Exchange("route: GET infer", whole("GET", f"{MODEL}/infer"))
    yield Exchange("route: GET index", whole("GET", "/v2/repository/index"))
    for path in (
        "/nothing",
        "/predict/",
        "/static/nothing",
        "/docs/nothing",
        "/static/../app.py",
        "/%00",
        "//",
        "/PREDICT",
    ):
        yield Exchange(f"route: GET {path}", whole("GET", path))
    yield Exchange("route: POST /nothing", post("/nothing", seven(), *PNG))
    yield Exchange("route: PUT a picture", whole("PUT", "/predict", seven(), *PNG))
    yield Exchange("route: PATCH", whole("PATCH", "/predict", seven(), *PNG))
    yield Exchange("route: a method that nobody knows", whole("BREW", "/predict", b""))
    for name in ("a.request-ID_1", "not one", "x" * 129, ""):
        sent = post("/predict", seven(), *PNG, f"X-Request-ID: {name}")
        yield Exchange(f"route: X-Request-ID: {name[:20]}", sent)
    yield Exchange("route: X-Request-ID of an error", post("/predict", b"", *PNG, "X-Request-ID: mine"))


def _unauthorized() -> dict[str, Any]:
    right = error(401, "unauthorized")
    right["headers"] |= CHALLENGES
    return right


def keys() -> Iterator[Exchange]:
    """A server that requires an API key."""
    good = {
        "Bearer": f"Authorization: Bearer {KEY}",
        "bearer in small letters": f"authorization: bearer {KEY}",
        "the other key": f"Authorization: Bearer {OTHER_KEY}",
        "X-API-Key": f"X-API-Key: {KEY}",
        "Basic": basic(KEY),
    }
    bad = {
        "wrong": f"Authorization: Bearer {KEY}x",
        "empty": "Authorization: Bearer",
        "Digest": f"Authorization: Digest {KEY}",
        "no base64": "Authorization: Basic %%%",
        "Basic without a password": basic(""),
        "wrong X-API-Key": "X-API-Key: \xe9" + "e" * 20,
        "no key": "Accept: */*",
    }
    body = {"image": "AAAA"}
    for name, header in good.items():
        for query in ("", "?seen=true"):
            yield Exchange(f"keys: {name}{query}", post(f"/predict{query}", seven(), *PNG, header), "keys")
        yield Exchange(f"keys: {name}, the page", whole("GET", "/", b"", "Accept: text/html", header), "keys")
        yield Exchange(f"keys: {name}, an error", post_json("/predict", body, header), "keys")
    right = _unauthorized()
    for name, header in bad.items():
        sent = post("/predict", seven(), *PNG, header)
        yield Exchange(f"keys: {name}", sent, "keys", changed=A_LINE_EACH, right=right)
    for path in ("/", "/metrics", "/docs", "/openapi.json", "/v2", MODEL, "/nothing"):
        yield Exchange(f"keys: none, {path}", whole("GET", path), "keys", changed=A_LINE_EACH, right=right)
    for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
        yield Exchange(f"keys: none, {path}", whole("GET", path), "keys")
    yield Exchange("keys: none, OPTIONS", whole("OPTIONS", "/predict"), "keys")
    sent = post_form("/predict", ("image", large(200_000), "a.png"))
    sent = sent.replace(b"\r\n\r\n", f"\r\nX-API-Key: {KEY}\r\n\r\n".encode(), 1)
    reason = "a form is read up to the limit of a request, with a key as without"
    yield Exchange("keys: a large form", sent, "keys", changed=reason, right={"status": 200})


def origins() -> Iterator[Exchange]:
    """CORS."""
    asking = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
    for settings in ("cors", "cors for all", "default"):
        for origin in (ORIGIN, "https://other.example", "null"):
            named = f"{settings}: {origin}"
            header = f"Origin: {origin}"
            yield Exchange(f"{named}, preflight", whole("OPTIONS", "/predict", b"", header, *asking), settings)
            yield Exchange(f"{named}, raw", post("/predict", seven(), *PNG, header), settings)
            yield Exchange(f"{named}, error", post("/predict?seen=x", seven(), *PNG, header), settings)
    header = f"Origin: {ORIGIN}"
    yield Exchange("keys and cors: preflight", whole("OPTIONS", "/predict", b"", header, *asking), "keys and cors")
    sent = post("/predict", seven(), *PNG, header, f"X-API-Key: {KEY}")
    yield Exchange("keys and cors: key", sent, "keys and cors")
    sent, right = post("/predict", seven(), *PNG, header), _unauthorized()
    yield Exchange("keys and cors: no key", sent, "keys and cors", changed=A_LINE_EACH, right=right)
    yield Exchange("cors: no origin", post("/predict", seven(), *PNG), "cors")
    yield Exchange("cors: GET", whole("GET", "/readyz", b"", f"Origin: {ORIGIN}"), "cors")
    yield Exchange("cors: nothing there", whole("GET", "/nothing", b"", f"Origin: {ORIGIN}"), "cors")


def connections() -> Iterator[Exchange]:
    """Well-formed requests in every form of HTTP/1."""
    ready = whole("GET", "/readyz")
    predict = post("/predict", seven(), *PNG)
    yield Exchange("http: kept", ready, methods=("GET",))
    yield Exchange("http: close", whole("GET", "/readyz", b"", "Connection: close"))
    yield Exchange("http: 1.0", head("GET", "/readyz", version="1.0"))
    yield Exchange("http: 1.0 without Host", head("GET", "/readyz", version="1.0", host=False))
    yield Exchange("http: 1.0, kept", head("GET", "/readyz", "Connection: keep-alive", version="1.0"))
    old = head("POST", "/predict", *PNG, f"Content-Length: {len(seven())}", version="1.0") + seven()
    yield Exchange("http: 1.0, a picture", old)
    sent = predict * 3 + ready + post("/predict?seen=true", seven(), *PNG)
    yield Exchange("http: five at once", sent, methods=("POST", "POST", "POST", "GET", "POST"))
    sent = post("/predict", b"", *PNG) + predict + whole("GET", "/nothing") + ready
    yield Exchange("http: errors among them", sent, methods=("POST", "POST", "GET", "GET"))
    sent = whole("HEAD", "/readyz") + predict
    yield Exchange("http: HEAD, then a picture", sent, methods=("HEAD", "POST"))
    sent = chunked("/predict", seven(), 10, *PNG) + ready
    yield Exchange("http: chunks, then another", sent, methods=("POST", "GET"))
    extended = head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")
    extended += b"%x;name=value\r\n%b\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(seven()), seven())
    yield Exchange("http: an extension of a chunk, and a trailer", extended)
    yield Exchange("http: an absolute address", whole("GET", "http://digits.test/readyz"))
    yield Exchange("http: OPTIONS *", whole("OPTIONS", "*"))
    yield Exchange("http: GET with a body", whole("GET", "/readyz", b"abc"))


def _malformed() -> dict[str, bytes]:
    picture = seven()
    chunks = head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")
    length = f"Content-Length: {len(picture)}"
    return {
        "nonsense": b"nonsense\r\n\r\n",
        "a TLS hello": bytes.fromhex("160301006a010000660303") + bytes(94) + b"\r\n\r\n",
        "a header without a colon": b"GET /livez HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
        "a space before the colon": b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
        "a folded header": b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
        "a zero in a header": b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
        "HTTP/3.0": head("GET", "/livez", version="3.0"),
        "no version": b"GET /livez\r\nHost: a\r\n\r\n",
        "two lengths": head("POST", "/predict", *PNG, length, "Content-Length: 5") + picture,
        "lengths in a list": head("POST", "/predict", *PNG, f"{length}, 5") + picture,
        "length and chunks": head("POST", "/predict", *PNG, length, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        "a length of letters": head("POST", "/predict", *PNG, "Content-Length: x"),
        "a negative length": head("POST", "/predict", *PNG, "Content-Length: -5"),
        "a length with a plus": head("POST", "/predict", *PNG, "Content-Length: +5") + b"abcde",
        "another coding": head("POST", "/predict", *PNG, "Transfer-Encoding: zip"),
        "chunked is not the last": head("POST", "/predict", *PNG, "Transfer-Encoding: chunked, gzip"),
        "chunked twice": head("POST", "/predict", *PNG, "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
        "chunks in HTTP/1.0": head("POST", "/predict", "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n",
        "a size of letters": chunks + b"zz\r\nabc\r\n0\r\n\r\n",
        "a negative size": chunks + b"-5\r\nabcde\r\n0\r\n\r\n",
        "a size with 0x": chunks + b"0x5\r\nabcde\r\n0\r\n\r\n",
        "an endless size": chunks + b"f" * 5000 + b"\r\n",
        "headers too large": head("GET", "/livez", f"X-A: {'y' * 70_000}"),
        "too many headers": head("GET", "/livez", *(f"X-{number}: y" for number in range(200))),
        "an address too long": whole("GET", "/" + "a" * 9000),
        "an expectation": whole("GET", "/livez", b"", "Expect: a miracle"),
    }


def malformed() -> Iterator[Exchange]:
    """Invalid or ambiguous HTTP."""
    for name, sent in _malformed().items():
        yield Exchange(f"malformed: {name}", sent, methods=("GET",))
    right = error(400, "malformed_request")
    sent = head("POST", "/predict", *PNG, "Transfer-Encoding: chunked") + b"3\r\nabcdef\r\n0\r\n\r\n"
    reason = "it was not answered at all"
    yield Exchange("malformed: more than the size says", sent, methods=("GET",), changed=reason, right=right)
    no_host = {
        "GET": head("GET", "/livez", host=False),
        "a picture": head("POST", "/predict", *PNG, f"Content-Length: {len(seven())}", host=False) + seven(),
    }
    for name, sent in no_host.items():
        reason = "HTTP/1.1 demands Host (RFC 9112, 3.2)"
        named = right | {"names": "Host"}
        yield Exchange(f"malformed: no Host, {name}", sent, methods=("GET",), changed=reason, right=named)
    two_hosts = head("GET", "/livez", "Host: other")
    reason = "a second Host is refused as no Host is (RFC 9112, 3.2)"
    yield Exchange("malformed: two Hosts", two_hosts, methods=("GET",), changed=reason, right=right)


def no_model() -> Iterator[Exchange]:
    """A server without a model."""
    for path in ("/", "/livez", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready", MODEL, f"{MODEL}/ready"):
        yield Exchange(f"no model: GET {path}", whole("GET", path), "no model")
    yield Exchange("no model: raw", post("/predict", seven(), *PNG), "no model")
    yield Exchange("no model: form with seen", post_form("/predict?seen=1", ("image", seven(), "a")), "no model")
    yield Exchange("no model: batch", post_form("/predict/batch", ("image", seven(), "a")), "no model")
    yield Exchange("no model: infer", post_json(f"{MODEL}/infer", {"inputs": []}), "no model")
    yield Exchange("no model: index", post("/v2/repository/index", b""), "no model")


GROUPS = (no_model, routes, keys, origins, connections, malformed)
