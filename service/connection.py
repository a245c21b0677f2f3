"""A client's connection, of which the worker's main thread does all waiting.

The threads that answer see a socket that never blocks: what they read has arrived, what they write is kept until the
client takes it.
"""

import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any

from gunicorn.http import get_parser

from service.arrival import Arrival

_PIECE_BYTES = 256 << 10


@dataclass
class _File:
    """What is still to be sent of a file: `left` bytes from `offset`."""

    descriptor: int
    offset: int
    left: int

    def read(self) -> bytes:
        """Return the next piece; close the file with the last."""
        piece = os.pread(self.descriptor, min(self.left, _PIECE_BYTES), self.offset)
        self.offset += len(piece)
        self.left -= len(piece) if piece else self.left
        if not self.left:
            os.close(self.descriptor)
        return piece


class Wire:
    """What gunicorn takes for the socket while a request is answered."""

    def __init__(self, arrival: Arrival) -> None:
        """Read from `arrival`."""
        self._arrival = arrival
        self.unsent = bytearray()
        self.files: deque[_File] = deque()  # that follow

    def recv(self, size: int) -> bytes:
        """Return what has arrived, and nothing as if the client had closed where there is no more of it."""
        content = self._arrival.content
        if not content and self._arrival.refusal:
            raise self._arrival.refusal
        if len(content) <= size:
            piece = bytes(content)
            content.clear()
        else:
            piece = bytes(content[:size])
            del content[:size]
        return piece

    def sendall(self, data: bytes) -> None:
        """Keep what is to be sent."""
        self.unsent += data

    def send(self, data: bytes) -> int:
        """Drop `100 Continue`, all that gunicorn sends by this: the connection has sent it when it was time."""
        return len(data)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Keep a file to send, which the caller may close; no more of it is in memory than is being sent."""
        size = os.fstat(file.fileno()).st_size - offset if count is None else count
        self.files.append(_File(os.dup(file.fileno()), offset, size))
        return size

    def next_of_files(self) -> bytes:
        """Return the next piece of what is to be sent."""
        piece = self.files[0].read()
        if not self.files[0].left:
            self.files.popleft()
        return piece

    def close_files(self) -> None:
        """Send nothing of them any more."""
        while self.files:
            os.close(self.files.popleft().descriptor)

    def gettimeout(self) -> float | None:
        """Return that nothing blocks."""
        return 0.0

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: nothing blocks."""

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: nothing blocks."""

    def shutdown(self, how: int) -> None:
        """Do nothing: the connection ends when all is sent."""


class Connection:
    """One client's connection, in the place of gunicorn's `TConn`.

    `deadline` is when its client has to have done its part; `waiting_for` is what follows when the socket is ready.
    """

    is_http2 = False
    initialized = True
    data_ready = True

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, max_body: int) -> None:
        """Take over a socket that was accepted."""
        self.cfg = cfg
        self.socket = sock
        self.client = client
        self.server = server
        self.deadline = 0.0
        self.waiting_for: Callable[[Connection], None] | None = None
        self.counted = 0  # bytes of `arrival` that the worker has counted
        self.arrival = Arrival(max_body)
        self.sock = Wire(self.arrival)
        self.parser: Any = None
        self.keep = False
        self.predicts = False  # the request that is being answered
        self.to_discard = 0
        self._max_body = max_body
        sock.setblocking(False)

    def init(self) -> None:
        """Make gunicorn's parser for the request that has arrived."""
        self.parser = get_parser(self.cfg, self.sock, self.client)

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has come yet."""
        return not self.arrival.content

    def due_in(self, seconds: float) -> None:
        """Set the deadline."""
        self.deadline = monotonic() + seconds

    def receive(self) -> bytes | None:
        """Return what the client has sent, empty where it has sent its last, None where there is nothing yet."""
        try:
            return self.socket.recv(_PIECE_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:  # reset
            return b""

    def flush(self) -> bool:
        """Send what the client takes without waiting; return whether that was all."""
        wire = self.sock
        with suppress(BlockingIOError, InterruptedError):
            while wire.unsent or wire.files:
                if not wire.unsent:
                    wire.unsent += wire.next_of_files()
                del wire.unsent[: self.socket.send(bytes(wire.unsent[:_PIECE_BYTES]))]
        return not wire.unsent and not wire.files

    def go_on(self) -> None:
        """Tell the client that has asked for it to send its body."""
        self.arrival.wants_continue = False
        with suppress(OSError):
            self.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def next_request(self) -> None:
        """Begin the next request on this connection, with what has come of it already."""
        read_ahead = self.parser.unreader.take_buffered() if self.parser else b""
        ahead = read_ahead + bytes(self.arrival.content)
        self.arrival = Arrival(self._max_body, ahead)
        self.sock = Wire(self.arrival)
        self.parser = None

    def end(self) -> None:
        """Tell the client that no more will come; it may still be sending."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close_files()
        with suppress(OSError):
            self.socket.close()
