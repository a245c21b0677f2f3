"""gunicorn's worker with uvicorn's server: accepts connections in turns with other workers, and stops."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from gunicorn.glogging import Logger
from uvicorn_worker import UvicornWorker

from service.http import logs
from service.http.protocol import Protocol
from service.settings import Settings

_YIELD_SECONDS = 0.002  # for a worker with fewer connections to take one
_TICK_SECONDS = 0.5  # how often deadlines are looked at
_SPARE_FILES = 128


class Acceptor:
    """Accepts connections from the socket that all workers share, one at a time.

    asyncio's own server accepts all that wait, so the first worker to wake would take every connection. This one leaves
    them for a moment to a worker that holds fewer.
    """

    def __init__(self, listener: socket.socket, server: "Server") -> None:
        self._listener, self._server = listener, server
        self._loop = asyncio.get_running_loop()
        self._paused: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._paused = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        server = self._server
        if len(server.server_state.connections) < server.most_connections and server.has_fewest():
            self._take()
        else:
            self._loop.remove_reader(self._listener)
            self._paused = self._loop.call_later(_YIELD_SECONDS, self._take_and_listen)

    def _take_and_listen(self) -> None:
        if len(self._server.server_state.connections) < self._server.most_connections:
            self._take()
        self._listen()

    def _take(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # another worker was first, the client has gone, or files ran out
            return False
        connection.setblocking(False)
        with suppress(OSError):  # a Unix socket has no such option
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = self._loop.create_task(self._loop.connect_accepted_socket(self._server.protocol, connection))
        self._server.hold(1)
        made.add_done_callback(lambda _: self._server.hold())
        return True

    def close(self) -> None:
        """Accept the connections that are waiting, then no more."""
        if self._paused:
            self._paused.cancel()
        self._loop.remove_reader(self._listener)
        while self._take():
            pass

    async def wait_closed(self) -> None:
        """Do nothing; uvicorn calls this."""


class Server(uvicorn.Server):
    """The server of the worker `place`. `shares` has each worker's connections + 1, 0 for one that takes none."""

    shares: "memoryview[int]"  # in memory of all processes
    place: int
    most_connections: int
    held = 0  # bytes of bodies that are not complete

    def protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state, server=self)

    def hold(self, more: int = 0) -> None:
        """Publish how many connections this worker holds."""
        self.shares[self.place] = len(self.server_state.connections) + more + 1

    def has_fewest(self) -> bool:
        """Return whether no other worker holds fewer connections."""
        return self.shares[self.place] <= min(filter(None, self.shares))

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self.hold()
        self.servers = [Acceptor(listener, self) for listener in sockets or ()]  # type: ignore[misc]
        self._looking = asyncio.ensure_future(self._look_at_deadlines())
        self.started = True

    async def _look_at_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for connection in list(self.server_state.connections):
                connection.check(loop.time())  # type: ignore[union-attr]

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self.shares[self.place] = 0
        await super().shutdown(list(sockets or ()))
        self._captured_signals.clear()  # uvicorn would raise them again, and a normal stop would look like a crash

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish on SIGTERM; end at once on SIGINT and SIGQUIT, as gunicorn's workers do."""
        if sig != signal.SIGTERM:
            os._exit(0)
        super().handle_exit(sig, frame)


class GunicornLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's lines to the service's log."""

    def setup(self, cfg: Any) -> None:
        """Configure all logging; gunicorn calls this at the start and at each reload."""
        self.cfg = cfg
        logs.configure(Settings.from_environ(os.environ))
        for logger in (self.error_log, self.access_log):
            logger.propagate = True


class Worker(UvicornWorker):  # type: ignore[misc]
    """`shares` and `place` are set before the fork."""

    CONFIG_KWARGS = {  # noqa: RUF012
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "interface": "asgi3",
        "lifespan": "off",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
    }
    shares: "memoryview[int]"
    place: int

    def init_signals(self) -> None:
        """Unblock the signals that `gunicorn_conf.pre_fork` blocked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout
        logger = logging.getLogger("uvicorn.error")  # into the service's log; front.py logs requests
        logger.propagate = True
        logger.setLevel(logging.ERROR)
        server = Server(config=self.config)
        server.shares, server.place = self.shares, self.place
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        server.most_connections = max(1, min(self.cfg.worker_connections, files - _SPARE_FILES))
        self.wsgi.here.draining = lambda: server.should_exit
        signal.signal(signal.SIGQUIT, server.handle_exit)
        await server.serve(sockets=[listener.sock for listener in self.sockets])
