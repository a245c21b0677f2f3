"""Limits of the server: idle connections, pictures of a request, waiting times. See also test_bad_clients.py."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests import drawing
from tests.contract.wire import Stream
from tests.server import Server, multipart, running, serving


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    """A server that reads one large picture at a time, and rejects requests that would wait longer than a second."""
    with serving(MODELS_DIR=models, THREADS=1, QUEUE_SECONDS=1) as started:
        yield started


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(sent)
    return connection


def read(connection: socket.socket) -> tuple[int, dict[str, str]]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/openapi.json"])
def test_a_head_never_arrives_alone(server: Server, path: str) -> None:
    """A process that is killed between head and body would leave half an answer."""
    for _ in range(20):
        with closing(connect(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())) as connection:
            assert not connection.recv(1 << 16).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/livez", "/docs", "/static/main.js"])
def test_an_answer_has_one_date(server: Server, path: str) -> None:
    with closing(connect(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())) as connection:
        answer = Stream(connection).answer("GET")
    assert answer is not None
    assert [name.lower() for name, _ in answer.headers].count("date") == 1


@pytest.mark.slow
def test_a_silent_client_is_disconnected(server: Server) -> None:
    with closing(connect(server)) as connection:
        assert connection.recv(1) == b""


def test_a_malformed_unread_body_gets_one_answer(server: Server) -> None:
    sent = b"PUT /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2: c0\r\nab\r\n0\r\n\r\n"
    with closing(connect(server, sent)) as connection:
        received = b"".join(iter(lambda: connection.recv(8192), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert len(re.findall(rb"HTTP/1\.1 [0-9]", received)) == 1


@pytest.mark.parametrize("address", [b"CONNECT digits.test:443", b"GET http://a:99999/livez", b"GET http://a"])
def test_an_address_that_is_no_path_is_rejected(server: Server, address: bytes) -> None:
    with closing(connect(server, address + b" HTTP/1.1\r\nHost: a\r\n\r\n")) as connection:
        status, answer = read(connection)
    assert (status, answer["code"]) == (400, "malformed_request")
    assert "/predict" in answer["error"]


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("piece", [100, 1 << 20])
@pytest.mark.parametrize("way", ["length", "chunks"])
def test_an_offer_of_http2_is_ignored(server: Server, way: str, piece: int) -> None:
    """Java's client offers it with the first request of a connection, whatever its body."""
    picture = drawing.png(7)
    framed = {
        "length": b"Content-Length: %d\r\n\r\n%b" % (len(picture), picture),
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(picture), picture),
    }
    sent = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n" + OFFER + framed[way]
    sent = sent * 2 + b"GET /livez HTTP/1.1\r\nHost: a\r\n" + OFFER + b"\r\n"
    with closing(connect(server)) as connection:
        for start in range(0, len(sent), piece):
            connection.sendall(sent[start : start + piece])
        stream = Stream(connection)
        answers = [stream.answer(method) for method in ("POST", "POST", "GET")]
    assert [answer and answer.status for answer in answers] == [200, 200, 200]


def test_many_offers_at_once_are_ignored(server: Server) -> None:
    sent = b"GET /livez HTTP/1.1\r\nHost: a\r\n" + OFFER + b"\r\n"
    count = 1200  # more than Python nests calls
    with closing(connect(server, sent * count)) as connection:
        stream = Stream(connection)
        assert all(stream.answer("GET") for _ in range(count))


def test_an_offer_of_a_web_socket_is_ignored(server: Server) -> None:
    sent = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with closing(connect(server, sent)) as connection:
        assert read(connection) == (200, {"status": "alive"})


CHUNKED = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("sent", [b"fffffff\r\nab", b"FFFFFFFF;name=value\r\n", b"2\r\nab\r\n0fffffffffffffff\r\nabc"])
def test_a_chunk_that_claims_too_much_is_rejected_before_it_arrives(server: Server, sent: bytes) -> None:
    with closing(connect(server, CHUNKED + sent)) as connection:
        status, answer = read(connection)
    assert (status, answer["code"]) == (413, "too_large")


@pytest.mark.parametrize("arrived", [b"", b"\r\n", b"\r\n0;a=56789"])
@pytest.mark.parametrize("size", [b"\nffffffff\r\n", b"\r\nffffffff;", b"\r\nffffffff\r\n"])
def test_a_picture_may_hold_what_looks_like_a_chunk_size(server: Server, size: bytes, arrived: bytes) -> None:
    body, end = size + drawing.png(3) + size, b"\r\n0;a=56789\r\n\r\n"
    with closing(connect(server, CHUNKED + b"%x\r\n%b" % (len(body), body) + arrived)) as connection:
        time.sleep(0.1)
        connection.sendall(end.removeprefix(arrived))
        status, answer = read(connection)
    assert (status, answer["code"]) == (415, "unsupported_image")


def test_pixels_of_one_request_are_limited_in_total(models: Path) -> None:
    with serving(MODELS_DIR=models, MAX_PIXELS=1_000_000) as server:
        picture = drawing.encode(drawing.digit(7, side=1800, size=1400))  # grey: 3.2 MB in memory
        for count, expected in ((8, 200), (12, 413)):  # eight of the largest colour pictures are 32 MB
            body, headers = multipart([("image", picture)] * count)
            status, answer = server.request("POST", "/predict/batch", body, content_type=headers["Content-Type"])
            assert status == expected, answer


def test_sixty_four_threads_with_ten_pictures_each_are_all_answered(models: Path) -> None:
    picture = drawing.encode(drawing.digit(6, side=320, size=240))
    with serving(MODELS_DIR=models) as server:

        def ask(_: int) -> set[int]:
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
                statuses = set()
                for _ in range(10):
                    connection.request("POST", "/predict", picture, {"Content-Type": "image/png"})
                    response = connection.getresponse()
                    response.read()
                    statuses.add(response.status)
                return statuses

        with ThreadPoolExecutor(64) as pool:
            assert set().union(*pool.map(ask, range(64))) == {200}


def test_time_behind_earlier_requests_of_the_connection_is_no_waiting(server: Server) -> None:
    picture = drawing.encode(drawing.digit(7, side=1800, size=1400).convert("RGB"))
    body, headers = multipart([("image", picture)] * 30)  # longer together than the server lets others wait
    asked = "POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
    slow = asked.format("/predict/batch", headers["Content-Type"], len(body)).encode() + body
    small = drawing.png(5)
    sent = slow + asked.format("/predict", "image/png", len(small)).encode() + small
    with closing(connect(server, sent)) as connection:
        stream = Stream(connection)
        answers = [stream.answer() for _ in range(2)]
    assert [answer and answer.status for answer in answers] == [200, 200]


def test_unfinished_bodies_are_limited_in_total(models: Path) -> None:
    part = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 1001\r\n\r\n" + bytes(1000)
    with serving(MODELS_DIR=models, MAX_UPLOAD_BYTES=1024) as server, ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(closing(connect(server, part)))
        time.sleep(0.3)  # until they have been read
        with closing(connect(server, part)) as ninth:
            status, answer = read(ninth)
        assert (status, answer["code"]) == (429, "too_busy")
        stack.close()
        time.sleep(0.3)
        assert server.request("POST", "/predict", drawing.png(5), content_type="image/png")[0] == 200


def test_a_head_on_a_kept_connection_has_the_time_of_a_first_one(models: Path) -> None:
    asked = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving(MODELS_DIR=models, KEEPALIVE_SECONDS=1) as server, closing(connect(server, asked)) as connection:
        assert read(connection)[0] == 200
        connection.sendall(asked[:10])
        time.sleep(2.5)  # longer than an idle connection is kept
        connection.sendall(asked[10:])
        assert read(connection)[0] == 200


@pytest.mark.slow
def test_an_idle_connection_is_kept_for_the_configured_time(models: Path) -> None:
    with running(MODELS_DIR=models, KEEPALIVE_SECONDS=1) as short, running(MODELS_DIR=models) as long:
        for server in (short, long):
            server.wait_for("/readyz")
        with closing(connect(short)) as closed, closing(long.connect()) as kept:
            kept.request("GET", "/livez")
            kept.getresponse().read()
            closed.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            started = time.monotonic()
            while closed.recv(8192):
                pass
            assert 0.8 < time.monotonic() - started < 4
            time.sleep(6)
            taken = kept.sock
            kept.request("GET", "/livez")
            assert kept.getresponse().status == 200
            assert kept.sock is taken


def test_a_batch_that_takes_too_long_ends(models: Path) -> None:
    picture = drawing.encode(drawing.digit(7, side=3600, size=2800))
    body, headers = multipart([("image", picture)] * 100)
    with serving(MODELS_DIR=models, REQUEST_SECONDS=1, MAX_UPLOAD_BYTES=64 << 20, MAX_PIXELS=100_000_000) as server:
        status, answer = server.request("POST", "/predict/batch", body, content_type=headers["Content-Type"])
        assert (status, answer["code"]) == (429, "too_busy")
        assert server.request("POST", "/predict", drawing.png(5), content_type="image/png")[0] == 200
