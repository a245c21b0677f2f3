"""Slow clients: silent, or sending or reading a few bytes a second."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_BODY = 100_000


@dataclass(frozen=True)
class Kind:
    """What such a client sends first, and then every second."""

    name: str
    start: bytes
    drip: bytes = b""
    reads: int = 0  # bytes of the answer read a second, 0 for all
    receive_buffer: int = 0


_HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
SILENT = Kind("silent", b"")
HEADERS = Kind("dripping headers", _HEAD, b"X-Drip: drip\r\n")
BODY = Kind("dripping a body", _HEAD + b"Content-Length: %d\r\n\r\n" % _BODY, b"x")
_ASK = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n"  # 1.5 MB
READING = Kind("reading slowly", _ASK, reads=100, receive_buffer=2048)


@contextmanager
def slow_clients(port: int, kind: Kind, count: int) -> Iterator[Callable[[], int]]:
    """Keep `count` of them connected, reconnecting after each disconnect; yields a counter of disconnects."""
    stop, again = threading.Event(), [0]
    thread = threading.Thread(target=_attack, args=(port, kind, count, stop, again))
    thread.start()
    try:
        yield lambda: again[0]
    finally:
        stop.set()
        thread.join()


def _attack(port: int, kind: Kind, count: int, stop: threading.Event, again: list[int]) -> None:
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            _connect(port, kind, selector)
        while not stop.is_set():
            started = time.monotonic()
            _drip(port, kind, selector, again)
            stop.wait(max(0.0, 1 - (time.monotonic() - started)))
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def _connect(port: int, kind: Kind, selector: selectors.BaseSelector) -> None:
    client = socket.socket()
    if kind.receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kind.receive_buffer)
    client.settimeout(5)
    with suppress(OSError):
        client.connect(("127.0.0.1", port))
        client.send(kind.start)
    client.setblocking(False)
    selector.register(client, selectors.EVENT_READ)


def _drip(port: int, kind: Kind, selector: selectors.BaseSelector, again: list[int]) -> None:
    """Let each send its bytes, and reconnect the disconnected."""
    readable = {key.fileobj for key, _ in selector.select(0)}
    for key in list(selector.get_map().values()):
        client = key.fileobj
        assert isinstance(client, socket.socket)
        if not _goes_on(client, kind, client in readable):
            selector.unregister(client)
            client.close()
            again[0] += 1
            _connect(port, kind, selector)


def _goes_on(client: socket.socket, kind: Kind, readable: bool) -> bool:
    try:
        if kind.drip:
            client.send(kind.drip)
        return not readable or client.recv(kind.reads or 1 << 16) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
