"""One request on a connection of its own, and its answer."""

import json
import socket
from contextlib import suppress

from tests.contract.wire import Received, Stream, connect


def exchange(port: int, sent: bytes, *, half_close: bool = True, seconds: float = 20) -> Received | None:
    """Send bytes, and return the answer; None if none begins before the connection ends or times out.

    An answer that breaks off has the status 0.
    """
    with connect(("127.0.0.1", port), seconds=seconds) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the service may answer before it has read everything
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        stream = Stream(connection)
        try:
            begun = stream.peek(1)
        except OSError:
            return None
        return (stream.answer(method_of(sent)) or Received(0, [], b"")) if begun else None


def method_of(sent: bytes) -> str:
    """Return the method of a request."""
    return sent.lstrip(b"\r\n").partition(b" ")[0].decode("latin-1")


def documented(answer: Received, *, method: str = "POST") -> bool:
    """Return whether it is a 2xx or 3xx, or a 4xx in the documented shape; that to HEAD has no body."""
    if 200 <= answer.status < 400 or (method == "HEAD" and 400 <= answer.status < 500):
        return True
    try:
        fields = json.loads(answer.body)
    except ValueError:
        return False
    kind = {name.lower(): value for name, value in answer.headers}.get("content-type")
    is_error = isinstance(fields, dict) and fields.keys() == {"error", "code"}
    return 400 <= answer.status < 500 and kind == "application/json" and is_error
