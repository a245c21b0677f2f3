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
from tests.contract.exchanges import PNG, chunked, head, whole
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
        for in_chunks in (True, False):
            taken, seconds = _pour(server, in_chunks=in_chunks)
            what = f"{'chunks' if in_chunks else 'a head'} without end: {taken >> 20} MB taken in {seconds:.1f} s"
            score.check(taken < _MOST_TAKEN * Settings().max_upload_bytes, what)
            score.note(what)
        after = wire.exchange(server.port, post(drawing.png(7)))
        score.check(after is not None and after.status == 200, "no digit is read afterwards")


def _requests() -> list[tuple[str, bytes, tuple[int, ...]]]:
    limit, most = Settings().max_upload_bytes, Settings().max_batch
    parts, headers = multipart([("image", b"x")] * 1001)
    many, form = multipart([("image", drawing.png(7))] * (most + 1))
    side = 50_000
    return [
        ("a byte over", post(bytes(limit + 1)), _REFUSED),
        ("a byte over, in chunks", chunked("/predict", bytes(limit + 1), 1 << 20, *PNG), _REFUSED),
        ("a chunk of 2^59 bytes", chunked("/predict", b"", 1, *PNG)[:-5] + b"%x\r\n" % (1 << 59), _REFUSED),
        ("a length of 2^63", head("POST", "/predict", *PNG, f"Content-Length: {1 << 63}") + b"x", _REFUSED),
        ("a length below 0", head("POST", "/predict", *PNG, "Content-Length: -1") + b"x", _REFUSED),
        ("two lengths", _posted("Content-Length: 2"), _REFUSED),
        ("1,001 parts", post(parts, "/predict/batch", headers["Content-Type"]), _REFUSED),
        ("a picture over", post(many, "/predict/batch", form["Content-Type"]), _REFUSED),
        ("gzip", _posted("Content-Encoding: gzip"), _REFUSED),
        ("50,000 pixels square", post(decompression_bombs.png(side, side)), _REFUSED),
        ("50,000 pixels of colour", post(decompression_bombs.png(side, 1000, 8, 2)), _REFUSED),
        ("101 headers", _posted(*(f"X-{number}: y" for number in range(101))), (431,)),
        ("a header of 9,000 bytes", _posted("X: " + "y" * 9000), (431,)),
        ("an address of 5,000 bytes", head("GET", "/" + "a" * 5000), (414,)),
        ("a head of 100,000 bytes", head("GET", "/", *["X: y"] * 17_000), (431,)),
    ]


def _posted(*headers: str) -> bytes:
    """Return a POST of a byte with these headers."""
    return whole("POST", "/predict", b"x", *PNG, *headers)


def _pour(server: Server, *, in_chunks: bool, seconds: float = 30) -> tuple[int, float]:
    """Send endlessly; return the bytes sent until the server closed, and the seconds."""
    begun = head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n" if in_chunks else b"X-Header: value\r\n" * 4096
    began, taken = time.monotonic(), 0
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=seconds)) as connection:
        try:
            connection.sendall(begun if in_chunks else begun.removesuffix(b"\r\n"))
            while time.monotonic() - began < seconds and taken < 1 << 30:
                connection.sendall(piece)
                taken += len(piece)
        except OSError:
            pass
    return taken, time.monotonic() - began
