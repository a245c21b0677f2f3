"""What the main thread answers is what a thread would have answered, and it takes nothing else."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from gunicorn.config import Config
from PIL import Image

from service.canonical import canonical_digit
from service.connection import Connection
from service.logs import RequestIds
from service.quick import MOST_BYTES, Quick, plain_headers
from tests import drawing, factory
from tests.server import Server, multipart, running


def canonical_png(label: int) -> bytes:
    return drawing.encode(Image.fromarray(canonical_digit(np.asarray(drawing.digit(label)))))


def request(body: bytes, *headers: str, line: str = "POST /predict HTTP/1.1", length: int | None = None) -> bytes:
    given = headers or ("Content-Type: image/png",)
    size = len(body) if length is None else length
    return "\r\n".join([line, "Host: a", *given, f"Content-Length: {size}", "", ""]).encode("latin-1") + body


class Log:
    """Takes what gunicorn's logger takes."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def access(self, *fields: Any) -> None:
        self.seen.append(fields)


@pytest.fixture
def quick(app: Flask) -> Quick:
    return Quick(app.extensions["digits"], RequestIds(), Log())


def ask(quick: Quick, *contents: bytes) -> list[bytes | None]:
    """Return what is answered to requests that have arrived together."""
    pairs = [socket.socketpair() for _ in contents]
    connections = [Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), 1 << 20) for ours, _ in pairs]
    for connection, content in zip(connections, contents, strict=True):
        connection.arrival.feed(content)
    try:
        return quick.answer(connections)
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def digit_of(answer: bytes | None) -> int:
    assert answer is not None
    return int(json.loads(answer.partition(b"\r\n\r\n")[2])["digit"])


def test_those_that_come_together_get_their_own_answers(quick: Quick) -> None:
    labels = [3, 8, 8, 1, 0]
    assert [digit_of(answer) for answer in ask(quick, *(request(canonical_png(label)) for label in labels))] == labels


def test_what_is_answered_beside_what_is_not(quick: Quick) -> None:
    odd = request(b"no picture")
    answers = ask(quick, odd, request(canonical_png(4)), request(drawing.png(5)))
    assert answers[0] is answers[2] is None
    assert digit_of(answers[1]) == 4


@pytest.mark.parametrize(
    "content",
    [
        request(drawing.png(2)),
        request(canonical_png(2)[:-30]),
        request(canonical_png(2), "Content-Type: text/plain"),
        request(canonical_png(2), "Content-Type: image/png", "content-type: image/png"),
        request(canonical_png(2), "Content-Type: image/png", "Content-Encoding: identity"),
        request(canonical_png(2), "Content-Type: image/png", "Transfer-Encoding: chunked"),
        request(canonical_png(2), "Content-Type: image/png", "Expect: 100-continue"),
        request(canonical_png(2), "Content-Type: image/png", "Connection: close"),
        request(canonical_png(2), "Content-Type: image/png", "X-Odd : 1"),
        request(canonical_png(2), "Content-Type: image/png", "X-Odd: \x01"),
        request(canonical_png(2), "Content-Type: image/png", "Host: b"),
        request(canonical_png(2)).replace(b"Host: a\r\n", b""),
        request(canonical_png(2)) + b"GET / HTTP/1.1\r\n",
        request(canonical_png(2)).replace(b"\r\nContent-Type", b"\nContent-Type"),
        request(b""),
    ],
)
def test_what_is_not_plain_goes_another_way(quick: Quick, content: bytes) -> None:
    assert ask(quick, content) == [None]


@pytest.mark.parametrize(
    "content",
    [
        request(canonical_png(2), line="POST /predict?top_k=3 HTTP/1.1"),
        request(canonical_png(2), line="POST /predict HTTP/1.0"),
        request(canonical_png(2), line="GET /predict HTTP/1.1"),
        request(canonical_png(2), line="POST /predict/batch HTTP/1.1"),
        request(bytes(MOST_BYTES)),
    ],
)
def test_other_requests_are_not_looked_at(quick: Quick, content: bytes) -> None:
    assert not quick.may_take(bytearray(content))


def test_without_a_model_nothing_is_answered(quick: Quick, app: Flask) -> None:
    app.extensions["digits"].store._serving = None
    assert ask(quick, request(canonical_png(2))) == [None]


def test_it_is_counted_and_logged(quick: Quick, app: Flask) -> None:
    ask(quick, request(canonical_png(2), "Content-Type: image/png", "X-Request-ID: mine"))
    text = app.test_client().get("/metrics").text
    assert 'digits_requests_total{method="POST",route="/predict",status="200"} 1.0' in text
    assert 'digits_predictions_total{certain="true",digit="2"} 1.0' in text
    assert 'digits_stage_seconds_count{stage="canonical"} 1.0' in text
    [(response, _, environ, _)] = quick._log.seen
    assert (response.status, environ["REMOTE_ADDR"], environ["digits.notes"].request_id) == (
        "200 OK",
        "127.0.0.1",
        "mine",
    )


@pytest.mark.parametrize(
    ("trusted", "remote"), [(0, "127.0.0.1"), (1, "192.0.2.2"), (2, "192.0.2.1"), (3, "127.0.0.1")]
)
def test_the_client_is_whom_trusted_proxies_name(app: Flask, trusted: int, remote: str) -> None:
    here = app.extensions["digits"]
    here.settings = replace(here.settings, trusted_proxies=trusted)
    log = Log()
    ask(
        Quick(here, RequestIds(), log),
        request(canonical_png(2), "Content-Type: image/png", "X-Forwarded-For: 192.0.2.1, 192.0.2.2"),
    )
    assert log.seen[0][2]["REMOTE_ADDR"] == remote


def test_plain_headers_are_found_by_their_names_in_small_letters() -> None:
    assert plain_headers("POST / HTTP/1.1\r\nHOST: a:1\r\nX-A: b c") == {"host": "a:1", "x-a": "b c"}
    assert plain_headers("POST / HTTP/1.1\r\nHost: a\r\nX_A: b") == {}
    assert plain_headers("POST / HTTP/1.1\r\nHost: a\r\n folded") == {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models: Path = tmp_path_factory.mktemp("models")
    factory.publish(models)
    with running(MODELS_DIR=models, LOG_FORMAT="json") as started:
        started.wait_for("/readyz")
        yield started


def post(connection: http.client.HTTPConnection, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection.request("POST", "/predict", body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


@pytest.mark.parametrize("label", [0, 7])
def test_the_answer_is_the_same_as_the_usual_ways(server: Server, label: int) -> None:
    body, form = multipart([("image", canonical_png(label))])
    with closing(server.connect()) as connection:
        ours = post(connection, canonical_png(label), Content_Type="image/png", X_Request_ID="one")
        in_a_form = post(connection, body, Content_Type=form["Content-Type"], X_Request_ID="one")
        theirs = post(
            connection, canonical_png(label), Content_Type="image/png", X_Request_ID="one", Content_Encoding="identity"
        )
    for found in (ours, in_a_form, theirs):
        del found[1]["Date"]
    assert ours == in_a_form == theirs
    lines = [json.loads(line) for line in server.read_log().splitlines() if '"/predict"' in line][-3:]
    assert all(line.keys() == lines[0].keys() and line["pictures"] == 1 for line in lines)


class NotReadAhead:
    """A connection of which each answer takes its own bytes only, for the next one is read from another stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> Any:
        return self._connection.makefile(mode, buffering=1)  # type: ignore[call-overload]


def test_it_does_not_matter_how_a_request_arrives(server: Server) -> None:
    content = request(canonical_png(6))
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        for pieces in ([content[:20], content[20:]], [content[:-1], content[-1:]], [content * 3]):
            for piece in pieces:
                connection.sendall(piece)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(len(b"".join(pieces)) // len(content)):
                with closing(http.client.HTTPResponse(NotReadAhead(connection))) as response:
                    response.begin()
                    assert (response.status, json.loads(response.read())["digit"]) == (200, 6)


def test_a_failure_goes_the_usual_way(server: Server) -> None:
    with closing(server.connect()) as connection:
        status, _, answer = post(connection, canonical_png(6)[:40], Content_Type="image/png")
    assert (status, json.loads(answer)["code"]) == (422, "unreadable_image")
