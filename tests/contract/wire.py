"""Bytes on a connection, and the answers that come back on it."""

import io
import json
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

from tests.contract.server import Address

SECONDS = 5


class Received(NamedTuple):
    """An answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def code(self) -> str:
        """Return the code of an error that has our shape."""
        fields: dict[str, Any] = json.loads(self.body)
        assert set(fields) == {"error", "code"}, fields
        assert self.status >= 400
        return str(fields["code"])


class Stream(io.BufferedReader):
    """The bytes of a connection, which one answer after another is read from."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(socket.SocketIO(connection, "r"), 1 << 16)

    def makefile(self, _mode: str) -> "Stream":
        """Return itself: an answer takes this for its connection."""
        return self

    def close(self) -> None:
        """Stay open: an answer that is read closes what it was read from."""

    def answer(self, method: str = "POST") -> Received | None:
        """Return the next answer, None where the connection ends or nothing comes in time."""
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
            return Received(response.status, response.getheaders(), response.read())
        except (HTTPException, OSError):
            return None


def connect(address: Address, sent: bytes = b"", seconds: float = SECONDS) -> socket.socket:
    """Return a connection on which these bytes have been sent."""
    connection = socket.create_connection(address, timeout=seconds)
    connection.sendall(sent)
    return connection
