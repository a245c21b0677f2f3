"""Load generator: keep-alive clients that send one request after the other, at full speed or at a rate.

One thread drives all of them on plain sockets, which leaves the CPU to the service.
"""

import itertools
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests import drawing

NEVER_CONNECTED = -1
CUT_OFF = 0
TIMED_OUT = -2


@dataclass(frozen=True)
class Answer:
    """The outcome of a request.

    `number` is its position in the sending order, `status` the HTTP status or a constant above, `at` its end on the
    monotonic clock, `seconds` its duration.
    """

    number: int
    status: int
    at: float
    seconds: float
    retry_after: bool = False


def post(content: bytes, path: str = "/predict", content_type: str = "image/png") -> bytes:
    """Return a POST request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode("ascii") + content


def get(path: str) -> bytes:
    """Return a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode("ascii")


def digits() -> list[bytes]:
    """Return a request for each digit."""
    return [post(drawing.png(label)) for label in range(10)]


@dataclass
class _Client:
    sock: socket.socket | None = None
    number: int = 0
    sent_at: float = 0.0
    received: bytes = b""
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))

    def drop(self, selector: selectors.BaseSelector) -> None:
        if self.sock is not None:
            selector.unregister(self.sock)
            self.sock.close()
        self.sock, self.received = None, b""


class Load:
    """`clients` clients of a port; `answers` grows. `rate` is in requests a second, 0 for no limit."""

    def __init__(
        self, port: int, requests: Sequence[bytes], clients: int, rate: float = 0, timeout: float = 30, host: str = ""
    ) -> None:
        """Prepare the clients; `run` sends."""
        self.answers: list[Answer] = []
        self.last = b""  # the last complete answer
        self._address = (host or "127.0.0.1", port)
        self._requests = itertools.cycle(requests)
        self._clients = [_Client() for _ in range(clients)]
        self._rate = rate
        self._timeout = timeout
        self._stop = threading.Event()
        self._sent = 0

    def stop(self) -> None:
        """Send no more, but wait for pending answers."""
        self._stop.set()

    def run(self, count: int = 0) -> None:
        """Send `count` requests, or until stopped."""
        started = time.monotonic()
        idle, busy = list(self._clients), set[int]()
        with selectors.DefaultSelector() as self._selector:
            while busy or not (self._stop.is_set() or (count and self._sent >= count)):
                due = self._due(started, count)
                while idle and due > 0 and not self._stop.is_set():
                    client = idle.pop()
                    due -= 1
                    if self._send(client):
                        busy.add(id(client))
                    else:
                        idle.insert(0, client)
                        time.sleep(0.001)
                for key, _ in self._selector.select(0.005 if self._rate and idle else 0.05):
                    if key.data and id(key.data) in busy and self._go_on(key.data):
                        busy.discard(id(key.data))
                        idle.append(key.data)
                self._give_up(idle, busy)
            for client in self._clients:
                client.drop(self._selector)

    def _due(self, started: float, count: int) -> int:
        due = len(self._clients)
        if self._rate:
            due = int((time.monotonic() - started) * self._rate) - self._sent
        return min(due, count - self._sent) if count else due

    def _send(self, client: _Client) -> bool:
        """Send a request; return False if the connection failed."""
        client.number, self._sent = self._sent, self._sent + 1
        client.sent_at = time.monotonic()
        client.unsent = memoryview(next(self._requests))
        try:
            if client.sock is None or not _is_open(client.sock):
                client.drop(self._selector)
                client.sock = socket.create_connection(self._address, timeout=self._timeout)
                client.sock.setblocking(False)
                self._selector.register(client.sock, selectors.EVENT_READ, client)
        except OSError:
            self._note(client, NEVER_CONNECTED)
            return False
        self._push(client)
        return True

    def _push(self, client: _Client) -> None:
        assert client.sock is not None
        try:
            sent = client.sock.send(client.unsent)
            client.unsent = client.unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:
            client.unsent = memoryview(b"")  # the following read finds the cause
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        self._selector.modify(client.sock, events, client)

    def _go_on(self, client: _Client) -> bool:
        """Send and receive what is possible; return whether the request is finished."""
        assert client.sock is not None
        if client.unsent:
            self._push(client)
        try:
            data = client.sock.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        client.received += data
        status = _whole(client.received)
        if data and status is None:
            return False
        self._note(client, status if status is not None else CUT_OFF)
        self.last = client.received
        if not data or b"connection: close" in client.received[:1000].lower():
            client.drop(self._selector)
        client.received = b""
        return True

    def _give_up(self, idle: list[_Client], busy: set[int]) -> None:
        now = time.monotonic()
        for client in [client for client in self._clients if id(client) in busy]:
            if now - client.sent_at > self._timeout:
                self._note(client, TIMED_OUT)
                client.drop(self._selector)
                busy.discard(id(client))
                idle.append(client)

    def _note(self, client: _Client, status: int) -> None:
        now = time.monotonic()
        told = b"\r\nretry-after:" in client.received[:1000].lower()
        self.answers.append(Answer(client.number, status, now, now - client.sent_at, told))


def _is_open(sock: socket.socket) -> bool:
    """Whether a kept connection is still open: an idle connection that the server closed is no loss."""
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _whole(received: bytes) -> int | None:
    """Return the status of a complete answer, None if more is to come."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return None
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
    return int(head[9:12]) if len(body) >= length else None


@contextmanager
def running_load(port: int, requests: Sequence[bytes], clients: int, **options: float | str) -> Iterator[Load]:
    """Send requests while the block runs."""
    load = Load(port, requests, clients, **options)  # type: ignore[arg-type]
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
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")
