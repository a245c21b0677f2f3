"""Load generator: keep-alive clients that each send one request after the other, at full speed or on schedule.

One event loop on plain sockets drives all of them, which leaves the CPU to the service.
"""

import asyncio
import itertools
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from service.contract import MODEL_NAME
from service.inference.engine import Images
from tests import drawing
from tests.tensors import binary

NEVER_CONNECTED = -1
CUT_OFF = 0
TIMED_OUT = -2


@dataclass(frozen=True)
class Answer:
    """The outcome of a request.

    `number` is its position in the sending order, `status` the HTTP status or a constant above, `due`, `sent` and `at`
    when it should have been sent, was, and ended, on the monotonic clock; `read` is what `Load.read` made of it.
    """

    number: int
    status: int
    due: float
    sent: float
    at: float
    retry_after: bool = False
    read: Any = None

    @property
    def seconds(self) -> float:
        """Its duration, from sending it."""
        return self.at - self.sent


def post(content: bytes, path: str = "/predict", content_type: str = "image/png", *headers: str) -> bytes:
    """Return a POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Type: {content_type}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("ascii") + content


def get(path: str) -> bytes:
    """Return a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode("ascii")


def infer(images: Images, **fields: Any) -> bytes:
    """Return an Open Inference Protocol request with these images as a binary tensor."""
    body, header = binary(images.tobytes(), list(images.shape), **fields)
    lines = (f"{name}: {value}" for name, value in header.items())
    return post(body, f"/v2/models/{MODEL_NAME}/infer", "application/octet-stream", *lines)


def digits() -> list[bytes]:
    """Return a request for each digit."""
    return [post(drawing.png(label)) for label in range(10)]


@dataclass
class Load:
    """`clients` clients that send `requests`, in turn and repeatedly; `answers` grows.

    `rate` is in requests a second, 0 for no limit; or `schedule` says when each is due, in seconds after the start.
    `read` makes of each complete answer what is kept of it.
    """

    port: int
    requests: Sequence[bytes]
    clients: int
    _: KW_ONLY
    rate: float = 0
    schedule: Iterable[float] | None = None
    timeout: float = 30
    host: str = "127.0.0.1"
    read: Callable[[bytes], Any] = lambda _: None
    answers: list[Answer] = field(default_factory=list, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)

    def stop(self) -> None:
        """Send no more, but wait for pending answers."""
        self._stop.set()

    def run(self, count: int | None = None) -> None:
        """Send `count` requests, or until the schedule ends, or until stopped."""
        asyncio.run(self._run(count))

    async def _run(self, count: int | None) -> None:
        started = time.monotonic()
        by_rate = itertools.count(0, 1 / self.rate) if self.rate else itertools.repeat(0.0)
        schedule = by_rate if self.schedule is None else self.schedule
        turns = zip(itertools.count(), schedule, itertools.cycle(self.requests), strict=False)
        planned = ((number, started + due, request) for number, due, request in itertools.islice(turns, count))
        await asyncio.gather(*(self._client(planned) for _ in range(self.clients)))

    async def _client(self, planned: Iterator[tuple[int, float, bytes]]) -> None:
        connection = None
        for number, due, request in planned:
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            if self._stop.is_set():
                break
            sent, status, answer = time.monotonic(), NEVER_CONNECTED, b""
            with suppress(OSError):
                if connection is None or not connection.is_open():
                    connection = await _Connection.open((self.host, self.port), self.timeout)
                status, answer = await connection.exchange(request, self.timeout)
            told, read = b"\r\nretry-after:" in answer[:1000].lower(), self.read(answer) if status > 0 else None
            self.answers.append(Answer(number, status, due, sent, time.monotonic(), told, read))
            if status == NEVER_CONNECTED:
                await asyncio.sleep(0.001)
        if connection:
            connection.close()


class _Connection(asyncio.Protocol):
    """A keep-alive connection with one request in flight."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._received, self._ended = b"", asyncio.Future[int]()

    @classmethod
    async def open(cls, address: tuple[str, int], timeout: float) -> "_Connection":
        opened = socket.create_connection(address, timeout)
        opened.setblocking(False)
        _, connection = await asyncio.get_running_loop().create_connection(lambda: cls(opened), sock=opened)
        return connection

    async def exchange(self, request: bytes, timeout: float) -> tuple[int, bytes]:
        """Return a status and the answer; close the connection unless both sides keep it."""
        self._received, self._ended = b"", asyncio.Future()
        late = asyncio.get_running_loop().call_later(timeout, self._end, TIMED_OUT)
        self._transport.write(request)
        status = await self._ended
        late.cancel()
        if status <= 0 or b"connection: close" in self._received[:1000].lower():
            self.close()
        return status, self._received

    def is_open(self) -> bool:
        """Whether the connection is still open: an idle one that the server closed is no loss."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        self._transport.abort()
        self._socket.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if _is_whole(self._received):
            self._end(int(self._received[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        self._end(CUT_OFF)

    def _end(self, status: int) -> None:
        if not self._ended.done():
            self._ended.set_result(status)


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
    return bool(found) and len(body) >= length


@contextmanager
def running_load(port: int, requests: Sequence[bytes], clients: int, **options: Any) -> Iterator[Load]:
    """Send requests while the block runs; `options` are those of `Load`."""
    load = Load(port, requests, clients, **options)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.stop()
        thread.join()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie; NaN if there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else math.nan


def failed(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers that are not 200."""
    return [answer for answer in answers if answer.status != 200]


def milliseconds(answers: Iterable[Answer]) -> str:
    """Return p50, p99 and the longest duration, in ms."""
    taken = [1e3 * answer.seconds for answer in answers]
    return ", ".join(f"{percentile(taken, share):.0f}" for share in (0.5, 0.99, 1))
