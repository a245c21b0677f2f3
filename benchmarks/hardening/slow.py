"""Slow clients: silent, or sending or reading a few bytes a second."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_BODY = 100_000


@dataclass(frozen=True)
class Kind:
    """What such a client sends first, and then every second."""

    name: str
    start: bytes
    drip: bytes = b""
    reads: int = 1 << 16  # bytes of the answer read a second
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
    stop, ended = threading.Event(), [0]

    async def attack() -> None:
        clients = [asyncio.create_task(_stay(port, kind, ended)) for _ in range(count)]
        await asyncio.to_thread(stop.wait)
        for client in clients:
            client.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(attack()))
    thread.start()
    try:
        yield lambda: ended[0]
    finally:
        stop.set()
        thread.join()


async def _stay(port: int, kind: Kind, ended: list[int]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as client:
            client.setblocking(False)
            if kind.receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kind.receive_buffer)
            try:
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(client, kind.start)
                await asyncio.sleep(1)
                while _goes_on(client, kind):
                    await asyncio.sleep(1)
            except OSError:
                await asyncio.sleep(1)
        ended[0] += 1


def _goes_on(client: socket.socket, kind: Kind) -> bool:
    """Send and receive this second's bytes; return whether the connection is still open."""
    try:
        client.send(kind.drip)
        return client.recv(kind.reads) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
