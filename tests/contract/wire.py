"""Raw connections, and the answers read from them."""

import io
import json
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

from tests.contract.server import Address

SECONDS = 5


class Received(NamedTuple):
    """An answer as received."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def code(self) -> str:
        """Return the code of an error, and check its shape."""
        fields: dict[str, Any] = json.loads(self.body)
        assert set(fields) == {"error", "code"}, fields
        assert self.status >= 400
        return str(fields["code"])


class Stream(io.BufferedReader):
    """A connection from which answers are read one after another."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(socket.SocketIO(connection, "r"), 1 << 16)

    def makefile(self, _mode: str) -> "Stream":
        """Return itself: `HTTPResponse` takes this for its socket."""
        return self

    def close(self) -> None:
        """Do nothing: `HTTPResponse` closes its file after each answer."""

    def answer(self, method: str = "POST") -> Received | None:
        """Return the next answer, None if the connection ends or times out."""
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
            return Received(response.status, response.getheaders(), response.read())
        except (HTTPException, OSError):
            return None


def connect(address: Address, sent: bytes = b"", seconds: float = SECONDS) -> socket.socket:
    """Return a new connection after sending these bytes."""
    connection = socket.create_connection(address, timeout=seconds)
    connection.sendall(sent)
    return connection
