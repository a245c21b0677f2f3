"""One request on a connection of its own, and its answer."""

import json
import socket
from contextlib import suppress

from tests.contract.wire import Received, Stream, connect


def exchange(port: int, sent: bytes, *, half_close: bool = True, seconds: float = 20) -> Received | None:
    """Send bytes, and return the answer; None if the connection ends or times out without one."""
    with connect(("127.0.0.1", port), seconds=seconds) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the service may answer before it has read everything
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return Stream(connection).answer(sent.lstrip(b"\r\n").partition(b" ")[0].decode("latin-1"))


def documented(answer: Received) -> bool:
    """Return whether it is a 2xx or 3xx, or a 4xx in the documented shape."""
    if answer.status < 400:
        return answer.status >= 200
    try:
        return answer.status < 500 and set(json.loads(answer.body)) == {"error", "code"}
    except (ValueError, TypeError):
        return False
