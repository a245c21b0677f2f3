"""When a request is whole: however its bytes come, and never sooner than gunicorn's parser can read it."""

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from gunicorn.http.errors import LimitRequestHeaders
from werkzeug.exceptions import RequestEntityTooLarge

from service.arrival import MAX_HEAD_BYTES, Arrival
from service.connection import Wire

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\n"
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "length": HEAD + b"Content-Length: 5\r\n\r\nabcde",
    "length in capitals": HEAD + b"CONTENT-LENGTH:5\r\n\r\nabcde",
    "a body that looks like a head": HEAD + b"Content-Length: 8\r\n\r\na\r\n\r\nb\r\n",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    "chunks that look like the last": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n\r\n0\r\n\r\n0\r\r\n0\r\n\r\n",
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
    "an empty line before": b"\r\n" + HEAD + b"Content-Length: 1\r\n\r\na",
}


def read_all(wire: Wire) -> bytes:
    return b"".join(iter(lambda: wire.recv(8192), b""))


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE)
def test_is_whole_with_its_last_byte_and_not_before(sent: bytes) -> None:
    arrival = Arrival(100)
    for number, byte in enumerate(sent):
        assert not arrival.whole, sent[:number]
        arrival.feed(bytes([byte]))
    assert arrival.whole
    assert Arrival(100, sent).whole


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("next_request", [b"", b"GET /next HTTP/1.1\r\n\r\n"])
def test_gunicorn_reads_all_of_what_is_whole_and_leaves_what_follows(sent: bytes, next_request: bytes) -> None:
    arrival = Arrival(100, sent + next_request)
    wire = Wire(arrival)
    parser = RequestParser(Config(), wire, ("127.0.0.1", 1))
    request = next(parser)
    assert len(request.body.read()) in (0, 1, 5, 8, 9, 13)
    assert parser.unreader.take_buffered() + bytes(arrival.content) == next_request


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\n",
        HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: zip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
    ],
)
def test_what_gunicorn_refuses_is_not_waited_for(head: bytes) -> None:
    assert Arrival(100, head).whole


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 101\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n65\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n60\r\n" + b"a" * 96 + b"\r\n6\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"x" * 4000 + b"\r\na\r\n") * 20,
    ],
)
def test_too_large_a_body_is_not_waited_for_either(body: bytes) -> None:
    arrival = Arrival(100, HEAD + body)
    assert arrival.whole
    with pytest.raises(RequestEntityTooLarge):
        read_all(Wire(arrival))


def test_a_head_is_bounded() -> None:
    arrival = Arrival(100, HEAD + b"X: " + b"y" * (MAX_HEAD_BYTES - len(HEAD) - 3))
    assert not arrival.whole
    arrival.feed(b"y")
    assert isinstance(arrival.refusal, LimitRequestHeaders)


def test_a_client_that_asks_is_told_to_go_on_but_not_for_what_will_be_refused() -> None:
    asking = HEAD + b"Expect: 100-continue\r\n"
    assert Arrival(100, asking + b"Content-Length: 5\r\n\r\n").wants_continue
    assert Arrival(100, asking + b"Transfer-Encoding: chunked\r\n\r\n").wants_continue
    assert not Arrival(100, asking + b"Content-Length: 101\r\n\r\n").wants_continue
    assert not Arrival(100, HEAD + b"Content-Length: 5\r\n\r\n").wants_continue
