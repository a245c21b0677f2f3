"""The connection below ASGI: what uvicorn's leaves open in deadlines, limits and the shape of errors.

An error before a request is complete reaches the door as a request that has it in its state: there it gets its id, its
line in the log and its shape as any other.
"""

import asyncio
import re
import sys
from time import perf_counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import (
    DigitsError,
    HeadersTooLarge,
    MalformedRequest,
    SlowRequest,
    TooLarge,
    UnsupportedTransferCoding,
    UriTooLong,
)

HEAD_SECONDS = 10.0  # for a head to arrive in full
LAST_SECONDS = 2.0  # for a client to use a kept connection once more, after SIGTERM
_WRITE_SECONDS = 60.0  # for a client to take what waits for it
_MOST_HEAD, _MOST_URI = 64 << 10, 4094  # bytes
_MOST_PIECES, _LEAST_PIECE = 16 << 10, 64  # of a body, and bytes of one in the mean where there are more
_MOST_HEADERS, _MOST_HEADER = 100, 8190  # a head's, and bytes of one
_LARGE_CHUNK = re.compile(rb"\r\n([0-9a-fA-F]{6,16})[;\r]")  # the size that a chunk claims to have
_TOO_LARGE = "The request has too many headers, or too large ones: send fewer."


class Protocol(HttpToolsProtocol):
    """One connection. The server calls `check` now and then: a timer for each request would take longer than the rest.

    `deadline` is for what the client sends, but for a body; `reading` for what it reads. Both are times of the loop.
    """

    deadline = reading = float("inf")
    headers: list[tuple[bytes, bytes]] = []  # noqa: RUF012  until a request begins
    head = 0  # bytes of the head that is arriving
    pieces = 0  # of the body that is arriving
    in_head = True
    chunked = False  # the body that is arriving
    failed = False  # nothing more is read

    def __init__(self, *args: Any, server: Any, **kwargs: Any) -> None:
        """Belong to `server`, which counts its connections and knows when it has been told to stop."""
        super().__init__(*args, **kwargs)
        self._server = server
        self.most = self.app.here.settings.max_upload_bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request its time; a client that says nothing is closed without a word."""
        super().connection_made(transport)
        self._expect(LAST_SECONDS if self._server.should_exit else HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines, and let work that is under way know."""
        self._leave()
        super().connection_lost(exc)
        self._server.hold()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless the connection is lost to its client already."""
        if self.failed:
            return
        if self.in_head:
            self.head += len(data)
        began = self.head > len(data)
        super().data_received(data)
        if self.failed or self.transport.is_closing():
            return
        if self.chunked and any(int(size, 16) > self.most for size in _LARGE_CHUNK.findall(data)):
            self.fail(TooLarge(f"The body has more than {self.most:,} bytes: send less."))
            return
        if not self.in_head or not self.head:
            self.deadline = float("inf")
        elif self.head > _MOST_HEAD:
            self.fail(HeadersTooLarge(_TOO_LARGE))
        elif not began:
            self._expect(HEAD_SECONDS)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that only listens any more; one that breaks off is told so."""
        if self.cycle and not self.cycle.response_complete:
            if self.cycle.more_body:
                self.fail(MalformedRequest("The body ends early: send all of it."))
            self._leave()
            return True
        if self.head and not self.failed:
            self.fail(MalformedRequest("The request ends early: send all of it."))
            return True
        return False

    def on_message_begin(self) -> None:
        """Note that a head is arriving."""
        super().on_message_begin()
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        super().on_url(url)
        if len(self.url) > _MOST_URI:
            raise UriTooLong("The address is too long: shorten it.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        if len(self.headers) > _MOST_HEADERS or len(name) + len(value) > _MOST_HEADER:
            raise HeadersTooLarge(_TOO_LARGE)
        if name.lower() == b"host" and any(other == b"host" for other, _ in self.headers[:-1]):
            raise MalformedRequest("The request has two `Host` headers: send one.")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; a million tiny chunks would hold up everybody else."""
        self.pieces += 1
        if self.pieces > _MOST_PIECES and len(self.cycle.body) < _LEAST_PIECE * self.pieces:
            raise MalformedRequest("The body comes in very many tiny chunks: send larger ones.")
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Let the door answer; its body has a deadline of its own there."""
        self.in_head, self.head, self.pieces = False, 0, 0
        self.chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self.scope["state"]["received"] = perf_counter()
        super().on_headers_complete()
        if self._server.should_exit:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Expect the next head."""
        super().on_message_complete()
        self.in_head, self.chunked = True, False
        self.scope["state"]["complete"] = True

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with what the parser has refused; uvicorn calls this while it handles the exception."""
        error: BaseException | None = sys.exc_info()[1]
        cause = error.__context__ if error else None
        if isinstance(cause, DigitsError):
            self.fail(cause)
        elif any(name == b"transfer-encoding" and b"chunked" not in value.lower() for name, value in self.headers):
            self.fail(UnsupportedTransferCoding("Only `Transfer-Encoding: chunked` is understood: send the body so."))
        else:
            self.fail(
                MalformedRequest(
                    f"The request is not well-formed HTTP/1.1 ({str(error or msg).rstrip('.')}): correct it."
                )
            )

    def fail(self, error: DigitsError) -> None:
        """End the request that is arriving with an error, and the connection after it."""
        self.failed = True
        self.deadline = float("inf")
        if not self.in_head and self.cycle and self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.scope["state"]["error"] = error
            self.cycle.more_body = False
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
            return
        cycle = self._without_request(error)
        if self.cycle is None or self.cycle.response_complete:
            self.cycle = cycle
            self._start_asgi_task(cycle, self.app)
        else:  # after the answers to those before
            self.pipeline.appendleft((cycle, self.app))
            self.cycle = cycle

    def _without_request(self, error: DigitsError) -> RequestResponseCycle:
        self.on_message_begin()
        state: dict[str, Any] = {**self.scope["state"], "error": error}
        self.scope |= {"method": "", "path": "", "raw_path": b"", "query_string": b"", "headers": [], "state": state}
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle

    def shutdown(self) -> None:
        """Answer what has been asked, and what is asked within a moment, then close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self._expect(LAST_SECONDS)

    def pause_writing(self) -> None:
        """Give the client its time to read."""
        super().pause_writing()
        self.reading = self.loop.time() + _WRITE_SECONDS

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self.reading = float("inf")

    def on_response_complete(self) -> None:
        """Begin with the next request, or wait for one; uvicorn would set a timer here."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self.head:
            self._expect(self.timeout_keep_alive)

    def check(self, now: float) -> None:
        """Do what is due."""
        if now > self.reading:
            self.transport.abort()
        elif now > self.deadline:
            self.deadline = float("inf")
            self._late()

    def _leave(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            self.cycle.scope["state"]["gone"] = True
            self.cycle.keep_alive = False

    def _expect(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds

    def _late(self) -> None:
        if self.head and not self.failed:
            self.fail(SlowRequest("The request took too long to arrive: send it again."))
        elif self.transport.get_write_buffer_size():
            self.transport.abort()  # its client has not read its answer all that time
        else:
            self.transport.close()
