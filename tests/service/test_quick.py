"""What the main thread answers is what a thread would have answered, and it takes nothing else."""

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from gunicorn.config import Config
from PIL import Image

from service.api.inference import JSON_LENGTH as LENGTH
from service.connection import Connection
from service.inference.engine import Engine, Images
from service.logs import RequestIds
from service.quick import MOST_BYTES, MOST_TENSOR_BYTES, Quick, plain_headers
from tests import crowd, drawing, factory
from tests.server import Server, multipart, running
from tests.tensors import binary, digits


def canonical_png(label: int) -> bytes:
    return drawing.encode(Image.fromarray(digits(label)[0]))


def request(body: bytes, *headers: str, line: str = "POST /predict HTTP/1.1", length: int | None = None) -> bytes:
    given = headers or ("Content-Type: image/png",)
    size = len(body) if length is None else length
    return "\r\n".join([line, "Host: a", *given, f"Content-Length: {size}", "", ""]).encode("latin-1") + body


INFER = "/v2/models/mnist-dmlp/infer"


def tensors(images: Images, datatype: str = "UINT8", shape: list[int] | None = None) -> tuple[bytes, dict[str, str]]:
    """Return the body of an inference that is to be answered in binary form, and the header that goes with it."""
    wanted = {"binary_data_output": True}
    return binary(images.tobytes(), shape or list(images.shape), datatype, parameters=wanted)


def inference(images: Images, *headers: str, **changes: Any) -> bytes:
    """Return a request for an inference, as its bytes."""
    body, length = tensors(images, **changes)
    return request(body, f"{LENGTH}: {length[LENGTH]}", *headers, line=f"POST {INFER} HTTP/1.1")


class Log:
    """Takes what gunicorn's logger takes."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def access(self, *fields: Any) -> None:
        self.seen.append(fields)


@pytest.fixture
def quick(app: Flask) -> Quick:
    return Quick(app.extensions["digits"], RequestIds(), Log())


def infer(quick: Quick, content: bytes) -> bytes | None:
    """Return what is answered to an inference that has arrived."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        connection = Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), 1 << 20)
        connection.arrival.feed(content)
        return quick.infer(connection)


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


def test_tensors_are_given_to_the_model_as_they_are(quick: Quick, app: Flask) -> None:
    images = digits(3, 8, 8, 1)
    answer = infer(quick, inference(images))
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(plain_headers(head.decode().replace("HTTP/1.1 200 OK", "\r\nHost: a"))[LENGTH.lower()])
    expected = app.extensions["digits"].store.serving.engine.run(images)
    np.testing.assert_array_equal(np.frombuffer(body[length:], "<f4").reshape(-1, 10), expected)
    text = app.test_client().get("/metrics").text
    assert 'digits_requests_total{method="POST",route="/v2/models/<name>/infer",status="200"} 1.0' in text
    assert "digits_requests_in_flight 1.0" in text  # the scrape
    [(_, _, environ, _)] = quick._log.seen
    assert (environ["RAW_URI"], environ["digits.notes"].pictures) == (INFER, 4)


@pytest.mark.parametrize(
    "content",
    [
        inference(digits(2), datatype="BYTES", shape=[1]),
        inference(digits(2), shape=[2, 28, 28]),
        inference(digits(2)).replace(LENGTH.encode(), b"X-Length"),
        inference(digits(2), "Content-Encoding: identity"),
        inference(digits(2), "Connection: close"),
        inference(digits(2)) + b"G",
        request(tensors(digits(2))[0], f"{LENGTH}: 1234567", line=f"POST {INFER} HTTP/1.1"),
    ],
)
def test_an_inference_that_is_not_plain_goes_another_way(quick: Quick, content: bytes) -> None:
    assert quick.may_infer(bytearray(content))
    assert infer(quick, content) is None
    assert not quick._log.seen


def test_threads_wait_for_a_gpu_and_for_others_to_share_a_run_with(
    quick: Quick, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = app.extensions["digits"]
    content = inference(digits(2))
    with monkeypatch.context() as patch:
        patch.setattr(here.store.serving.engine, "provider", "cuda")
        assert infer(quick, content) is None
    assert infer(quick, content) is not None
    here.settings = replace(here.settings, batch_window_us=1)
    assert infer(quick, content) is None


@pytest.mark.parametrize(
    "content",
    [
        inference(digits(2)).replace(b"dmlp", b"cnns"),
        inference(digits(2)).replace(b"/infer", b"/versions/1/infer"),
        bytes(MOST_TENSOR_BYTES),
        inference(np.zeros((MOST_TENSOR_BYTES // 784 + 1, 28, 28), np.uint8)),
    ],
)
def test_other_inferences_are_not_looked_at(quick: Quick, content: bytes) -> None:
    assert not quick.may_infer(bytearray(content))


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
    with running(MODELS_DIR=models, LOG_FORMAT="json", MAX_IN_FLIGHT=64) as started:
        started.wait_for("/readyz")
        yield started


def post(
    connection: http.client.HTTPConnection, body: bytes, path: str = "/predict", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
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


def test_an_inference_is_answered_as_the_usual_way_answers_it(server: Server) -> None:
    body, length = tensors(digits(3, 8, 8, 1))
    headers = {"Content_Type": "application/octet-stream", "X_Request_ID": "one", **length}
    with closing(server.connect()) as connection:
        ours = post(connection, body, INFER, **headers)
        theirs = post(connection, body, INFER, **headers, Content_Encoding="identity")
    for found in (ours, theirs):
        del found[1]["Date"]
    assert ours == theirs
    lines = [json.loads(line) for line in server.read_log().splitlines() if INFER in line][-2:]
    assert lines[0].keys() == lines[1].keys()
    assert all(line["pictures"] == 4 for line in lines)


def test_many_at_once_get_their_own_answers(server: Server) -> None:
    pictures = crowd.pictures(600, seed=2)
    crowd.check(crowd.ask(server, pictures), pictures, {"1": Engine.open(factory.model())}, tolerance=1e-6)


def test_more_inferences_than_are_let_in_are_refused(tmp_path: Path) -> None:
    factory.publish(tmp_path)
    body, length = tensors(np.zeros((250, 28, 28), np.uint8))
    with running(MODELS_DIR=tmp_path, MAX_IN_FLIGHT=2, THREADS=2) as server:
        server.wait_for("/readyz")

        def ask_often(_: int) -> list[tuple[int, str]]:
            with closing(server.connect()) as connection:
                answers = [post(connection, body, INFER, **length) for _ in range(60)]
            return [(status, "" if status == 200 else json.loads(text)["code"]) for status, _, text in answers]

        with ThreadPoolExecutor(8) as pool:
            answers = [answer for some in pool.map(ask_often, range(8)) for answer in some]
        assert set(answers) == {(200, ""), (429, "too_busy")}
        assert server.request("POST", "/predict", canonical_png(3), Content_Type="image/png")[1]["digit"] == 3


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
