"""Which worker takes a connection.

asyncio's own server accepts all that wait, so the first worker to wake would take every connection.
"""

import asyncio
import socket
from collections.abc import Sequence

from uvicorn import Server

from service.http.protocol import Protocol

_YIELD_SECONDS = 0.002  # for a worker with fewer connections to take one
_TICK_SECONDS = 0.5  # how often deadlines are looked at


class Connections:
    """Accepts at most `most` connections, in turns with other workers, and ends those that are too slow.

    `shares` has the number of each worker's connections + 1, 0 for one that takes none, in memory of all processes.
    """

    held = 0  # bytes of bodies that are not complete

    def __init__(
        self, server: Server, listeners: Sequence[socket.socket], shares: "memoryview[int]", place: int, most: int
    ) -> None:
        self.server, self._listeners, self._shares, self._place, self._most = server, listeners, shares, place, most
        self._open = server.server_state.connections
        self._loop = asyncio.get_running_loop()
        for listener in listeners:
            listener.setblocking(False)
            self._loop.add_reader(listener, self._accept, listener)
        self._check()
        self.count()

    def count(self, more: int = 0) -> None:
        """Publish how many connections this worker has, and `more` that it is about to have."""
        self._shares[self._place] = 0 if self.server.should_exit else len(self._open) + more + 1

    def _accept(self, listener: socket.socket, late: bool = False) -> None:
        """Take a connection, or leave it for a moment to a worker that has fewer, unless it is `late`."""
        if late and self.server.should_exit:
            return
        fewest = self._shares[self._place] <= min(filter(None, self._shares), default=0)
        if len(self._open) < self._most and (late or fewest):
            self._take(listener)
            self._loop.add_reader(listener, self._accept, listener)
        else:
            self._loop.remove_reader(listener)
            self._loop.call_later(_YIELD_SECONDS, self._accept, listener, True)

    def _take(self, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except OSError:  # another worker was first, the client has gone, or files ran out
            return False
        made = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Protocol(self), connection))
        self.count(1)
        made.add_done_callback(lambda _: self.count())
        return True

    def _check(self) -> None:
        for connection in list(self._open):
            connection.check(self._loop.time())  # type: ignore[union-attr]
        self._loop.call_later(_TICK_SECONDS, self._check)

    def close(self) -> None:
        """Accept the connections that are waiting, then no more; uvicorn calls this."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            while self._take(listener):
                pass

    async def wait_closed(self) -> None:
        """Do nothing; uvicorn calls this."""
