"""Requests just over each limit, and endless ones."""

import socket
import time
from contextlib import closing

from benchmarks.hardening import decompression_bombs, wire
from benchmarks.hardening.load import post
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service
from service.settings import Settings
from tests import drawing
from tests.server import Server, multipart

TITLE = "limits: a byte over, chunked, 1,001 parts, gzip, 50,000 pixels, endless"
EXPECTED = "413, 415 or 400 (431 for headers), never an unbounded read"

_REFUSED = (400, 413, 415)
_MOST_TAKEN = 8  # times the body limit, for an endless body


def run(score: Score) -> None:
    """Send a request over each limit."""
    with service() as server:
        for name, request, statuses in _requests():
            answer = wire.exchange(server.port, request, half_close=False)
            passed = answer is not None and answer.status in statuses and wire.documented(answer)
            score.check(passed, f"{name}: status {answer and answer.status}")
        for chunked in (True, False):
            taken, seconds = _pour(server, chunked=chunked)
            what = f"{'chunks' if chunked else 'a head'} without end: {taken >> 20} MB taken in {seconds:.1f} s"
            score.check(taken < _MOST_TAKEN * Settings().max_upload_bytes, what)
            score.note(what)
        after = wire.exchange(server.port, post(drawing.png(7)))
        score.check(after is not None and after.status == 200, "no digit is read afterwards")


def _requests() -> list[tuple[str, bytes, tuple[int, ...]]]:
    limit, most = Settings().max_upload_bytes, Settings().max_batch
    parts, headers = multipart([("image", b"x")] * 1001)
    many, form = multipart([("image", drawing.png(7))] * (most + 1))
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(101))
    side = 50_000
    return [
        ("a byte over", post(bytes(limit + 1)), _REFUSED),
        ("a byte over, in chunks", chunked(bytes(limit + 1)), _REFUSED),
        ("a chunk of 2^59 bytes", chunked(b"")[:-5] + b"%x\r\n" % (1 << 59), _REFUSED),
        ("a length of 2^63", _of_length(1 << 63), _REFUSED),
        ("a length below 0", _of_length(-1), _REFUSED),
        ("two lengths", post(b"x").replace(b"Host: a", b"Content-Length: 2", 1), _REFUSED),
        ("1,001 parts", post(parts, "/predict/batch", headers["Content-Type"]), _REFUSED),
        ("a picture over", post(many, "/predict/batch", form["Content-Type"]), _REFUSED),
        ("gzip", post(b"x").replace(b"Host: a", b"Host: a\r\nContent-Encoding: gzip", 1), _REFUSED),
        ("50,000 pixels square", post(decompression_bombs.png(side, side)), _REFUSED),
        ("50,000 pixels of colour", post(decompression_bombs.png(side, 1000, 8, 2)), _REFUSED),
        ("101 headers", post(b"x").replace(b"Host: a\r\n", b"Host: a\r\n" + fields, 1), (431,)),
        ("a header of 9,000 bytes", post(b"x").replace(b"Host: a", b"Host: a\r\nX: " + b"y" * 9000, 1), (431,)),
        ("an address of 5,000 bytes", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414,)),
        ("a head of 100,000 bytes", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 17_000, (431,)),
    ]


def chunked(content: bytes, piece: int = 1 << 20) -> bytes:
    """Return a request with a chunked body."""
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = (content[at : at + piece] for at in range(0, len(content), piece))
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in pieces) + b"0\r\n\r\n"


def _of_length(length: int) -> bytes:
    return b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\nx" % length


def _pour(server: Server, *, chunked: bool, seconds: float = 30) -> tuple[int, float]:
    """Send endlessly; return the bytes sent until the server closed, and the seconds."""
    start = _of_length(0).replace(
        b"Content-Length: 0\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b""
    )
    piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n" if chunked else b"X-Header: value\r\n" * 4096
    began, taken = time.monotonic(), 0
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=seconds)) as connection:
        try:
            connection.sendall(start)
            while time.monotonic() - began < seconds and taken < 1 << 30:
                connection.sendall(piece)
                taken += len(piece)
        except OSError:
            pass
    return taken, time.monotonic() - began
