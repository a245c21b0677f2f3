"""Clients that are slow, that stop half-way or that ask for too much: nobody else waits for them."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from service import worker
from tests import drawing, factory
from tests.server import Server, multipart, running

HALF = {
    "silent": b"",
    "half a head": b"POST /predict HTTP/1.1\r\nHost: a\r\nX-",
    "half a body": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc",
    "half a chunk": b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nabc",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    factory.publish(directory)
    return directory


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    """A server with one worker that takes on one prediction at a time."""
    with running(MODELS_DIR=models, MAX_IN_FLIGHT=1, THREADS=1) as started:
        started.wait_for("/readyz")
        yield started


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(sent)
    return connection


def read(connection: socket.socket) -> tuple[int, dict[str, str]]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_a_hundred_that_stop_half_way_hold_nobody_up(server: Server, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(closing(connect(server, sent)))
        started = time.monotonic()
        for _ in range(10):
            assert server.request("POST", "/predict", drawing.png(5), content_type="image/png")[0] == 200
        # Afterwards they would be refused, and there would be nobody left to wait for.
        assert time.monotonic() - started < worker.HEAD_SECONDS


def test_a_body_that_does_not_come_is_refused(models: Path) -> None:
    with running(MODELS_DIR=models, REQUEST_SECONDS=1) as server:
        server.wait_for("/readyz")
        with closing(connect(server, HALF["half a body"])) as connection:
            status, answer = read(connection)
    assert (status, answer["code"]) == (408, "request_timeout")


def test_a_head_that_does_not_come_is_refused_however_it_drips(server: Server) -> None:
    started = time.monotonic()
    with closing(connect(server, HALF["half a head"])) as connection:
        connection.settimeout(1)
        while time.monotonic() < started + worker.HEAD_SECONDS + 3:
            try:
                status, answer = read(connection)
                break
            except TimeoutError:
                connection.sendall(b"a")
    assert (status, answer["code"]) == (408, "request_timeout")


def test_a_silent_client_is_closed_without_a_word(server: Server) -> None:
    with closing(connect(server)) as connection:
        assert connection.recv(1) == b""


def test_who_closes_half_way_leaves_nothing(server: Server) -> None:
    for sent in HALF.values():
        connect(server, sent).close()
    assert server.request("GET", "/readyz")[0] == 200


def test_one_that_does_not_read_holds_nobody_up(server: Server) -> None:
    ask = b"GET /static/style.css HTTP/1.1\r\nHost: a\r\n\r\n" * 200
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(closing(socket.socket()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.setblocking(False)
            connection.send(ask)
        assert server.request("POST", "/predict", drawing.png(5), content_type="image/png")[0] == 200


def test_requests_that_come_together_are_answered_in_turn(server: Server) -> None:
    content = drawing.png(4)
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(content)
    with closing(connect(server, (head + content) * 5 + b"GET /livez HTTP/1.1\r\n\r\n")) as connection:
        answers = connection.makefile("rb")
        for _ in range(5):
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            length = next(int(line.split(b":")[1]) for line in answers if line.lower().startswith(b"content-length"))
            while answers.readline() != b"\r\n":
                pass
            assert json.loads(answers.read(length))["digit"] == 4
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_body_that_is_malformed_where_nobody_reads_it_gets_one_answer(server: Server) -> None:
    sent = b"PUT /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2: c0\r\nab\r\n0\r\n\r\n"
    with closing(connect(server, sent)) as connection:
        received = b"".join(iter(lambda: connection.recv(8192), b""))
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_client_that_asks_whether_to_go_on_is_told_once(server: Server) -> None:
    content = drawing.png(4)
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nExpect: 100-continue\r\n"
    with closing(connect(server, head + b"Content-Length: %d\r\n\r\n" % len(content))) as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(content)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    with closing(connect(server, head + b"Content-Length: 20000000\r\n\r\n")) as connection:
        assert read(connection)[0] == 413


def test_what_is_too_much_is_refused_at_once_and_health_is_answered(server: Server) -> None:
    large = drawing.encode(drawing.digit(7, side=3000, size=2000))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/predict/batch", *multipart([("image", large)] * 40))
    slow = threading.Thread(target=lambda: connection.getresponse().read())
    slow.start()
    time.sleep(0.5)  # it is computing
    picture = drawing.encode(drawing.digit(1, side=200))  # one in MNIST's form would take no place
    refused = 0
    waits = []
    while slow.is_alive():
        started = time.monotonic()
        status, answer = server.request("POST", "/predict", picture, content_type="image/png")
        if status == 429:
            waits.append(time.monotonic() - started)
            refused += answer["code"] == "too_busy"
            assert server.request("GET", "/livez")[0] == server.request("GET", "/readyz")[0] == 200
    slow.join()
    connection.close()
    assert refused > 3
    assert sorted(waits)[len(waits) // 2] < 0.5  # a fifth of it on a machine with nothing else to do
    assert server.request("POST", "/predict", drawing.png(1), content_type="image/png")[0] == 200
