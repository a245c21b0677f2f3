"""One request at a time, sent byte for byte, and its answer."""

import json
import socket
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """The answer: status (0 if none), content type, body, and duration in seconds."""

    status: int
    content_type: str
    body: bytes
    seconds: float
    to_head: bool = False  # an answer to HEAD, without a body

    @property
    def of_our_shape(self) -> bool:
        """Whether it is a 2xx or 3xx, or an error in the documented shape."""
        if 200 <= self.status < 400 or self.to_head:
            return True
        try:
            return self.content_type == "application/json" and set(json.loads(self.body)) == {"error", "code"}
        except ValueError:
            return False


def exchange(port: int, sent: bytes, *, half_close: bool = True, timeout: float = 20) -> Reply:
    """Send bytes on a new connection and read until the server has answered or closed.

    Raises:
        TimeoutError: neither happened in time.
    """
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may answer before it has read everything
        try:
            while not _ended(received) and (piece := connection.recv(1 << 16)):
                received += piece
        except ConnectionResetError:
            pass
    return _reply(received, time.monotonic() - started, to_head=sent.lstrip(b"\r\n").startswith(b"HEAD "))


def _split(received: bytes) -> tuple[dict[str, str], bytes] | None:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}, body


def _ended(received: bytes) -> bool:
    found = _split(received)
    return found is not None and len(found[1]) >= int(found[0].get("content-length", 1 << 62))


def _reply(received: bytes, seconds: float, *, to_head: bool) -> Reply:
    headers, body = _split(received) or ({}, b"")
    body = body[: int(headers.get("content-length", len(body)))]  # the rest answers bytes after the request
    status = int(received[9:12]) if received.startswith(b"HTTP/1.") else 0
    return Reply(status, headers.get("content-type", ""), body, seconds, to_head)
