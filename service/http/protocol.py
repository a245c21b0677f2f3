"""One connection: its deadlines and limits, and our answers to bad HTTP.

The ASGI application is called when a head is complete, and receives the body in one piece. The request's `state` has
`received`, the time of its turn on the connection; `error`, which ends the request; `gone`, once the client has left.
"""

import asyncio
import re
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service import errors
from service.http.answering import body_too_large

if TYPE_CHECKING:
    from service.http.connections import Connections

HEAD_SECONDS = 10.0  # for a head to arrive in full
LAST_SECONDS = 2.0  # for a client to use a kept connection once more, after SIGTERM
_WRITE_SECONDS = 60.0  # for a client to read a full buffer
_MOST_HEAD, _MOST_URI = 64 << 10, 4094  # bytes
_MOST_HELD = 8  # times the largest body: what unfinished bodies of a worker may hold
_MOST_DROPPED = 4  # times the largest body: what a rejected client may still send
_MOST_PIECES, _LEAST_PIECE = 16 << 10, 64  # a body of more pieces must have this many bytes a piece
_MOST_HEADERS, _MOST_HEADER = 100, 8190  # a head's, and bytes of one
_CHUNK_HEAD, _MOST_CHUNK_HEAD = re.compile(rb"(?:\A|\n)([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n\Z"), 256  # bytes
_TOO_LARGE = "The request has too many headers, or too large ones: send fewer."


class Joined:
    """A transport that sends the head of an answer with its body, so that a killed process sends no half answer."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold a head; send anything else with the head before it."""
        head, self._head = self._head, b""
        if not head and data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100 "):
            self._head = data
        elif head or data:
            self._transport.write(head + data)

    def close(self) -> None:
        self.write(b"")
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """One connection. `check` is called twice a second: a timer for each request would cost more.

    `deadline` bounds what the client sends, `reading` what it reads. Both are times of the loop.
    """

    deadline = reading = float("inf")
    head = 0  # bytes of the head that is arriving
    pieces = held = 0  # of the body that is arriving: its pieces and bytes
    in_head = True
    chunk = -1  # bytes of the body before the chunk that is arriving
    again = b""  # the head of a request that offers another protocol, without the offer
    head_end = 0  # where in the data it ended
    failed = False  # nothing more is parsed
    dropped = 0  # bytes that a rejected client has still sent

    def __init__(self, all_connections: "Connections") -> None:
        server = all_connections.server
        super().__init__(server.config, server.server_state, {})
        self._all = all_connections
        self._settings = self.app.here.settings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head; a silent client is closed without an answer."""
        super().connection_made(Joined(transport))  # type: ignore[arg-type]
        self._expect(LAST_SECONDS if self._all.server.should_exit else HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._release()
        super().connection_lost(exc)
        self._all.count()

    def data_received(self, data: bytes) -> None:
        if self.failed or (self.cycle and self.cycle.response_started and self.cycle.more_body):
            self.dropped += len(data)
            if self.dropped > _MOST_DROPPED * self._settings.max_upload_bytes:
                self.transport.abort()
        if self.failed:
            return
        if self.in_head:
            if not self.head:
                self._expect(HEAD_SECONDS)
            self.head += len(data)
        super().data_received(data)
        rest = memoryview(data)
        while self.again and not self.failed:
            head, self.again, rest = self.again, b"", rest[self.head_end :]
            self.parser = httptools.HttpRequestParser(self)
            super().data_received(head)
            if not self.failed:
                super().data_received(rest)  # type: ignore[arg-type]
        if self.failed or self.transport.is_closing():
            return
        if self._claimed(data) > self._settings.max_upload_bytes:
            self.fail(body_too_large(self._settings))
        elif self.head > _MOST_HEAD:
            self.fail(errors.HeadersTooLarge(_TOO_LARGE))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep answering a client that has closed its sending side; an incomplete request is an error."""
        answering = bool(self.cycle and not self.cycle.response_complete)
        if answering and self.cycle.more_body:
            self.fail(errors.MalformedRequest("The body ends early: send all of it."))
        elif not answering and self.head and not self.failed:
            self.fail(errors.MalformedRequest("The request ends early: send all of it."))
            return True
        self._leave()
        return answering

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > _MOST_URI:
            raise errors.UriTooLong("The address is too long: shorten it.")

    def on_headers_complete(self) -> None:
        largest = max((len(name) + len(value) for name, value in self.headers), default=0)
        if len(self.headers) > _MOST_HEADERS or largest > _MOST_HEADER:
            raise errors.HeadersTooLarge(_TOO_LARGE)
        if [name for name, _ in self.headers].count(b"host") > 1:
            raise errors.MalformedRequest("The request has two `Host` headers: send one.")
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise errors.UnsupportedTransferCoding("Only `Transfer-Encoding: chunked` is supported: use it, or none.")
        if self.parser.should_upgrade() and b"upgrade" in dict(self.headers):
            self.again = self._without_offer()
            return
        super().on_headers_complete()
        self.in_head, self.head, self.pieces = False, 0, 0
        self._expect(self._settings.request_seconds)
        if self._all.server.should_exit:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request; its time behind earlier ones on this connection is no waiting for us."""
        cycle.scope["state"]["received"] = perf_counter()
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body, within the limits. Very many tiny chunks would block the loop."""
        self.pieces += 1
        self.held += len(body)
        self._all.held += len(body)
        if self.pieces > _MOST_PIECES and self.held < _LEAST_PIECE * self.pieces:
            raise errors.MalformedRequest("The body has too many tiny chunks: send larger ones.")
        if self.cycle.response_started:  # what a rejected client still sends
            self._release()
        elif self.held > self._settings.max_upload_bytes:
            raise body_too_large(self._settings)
        elif self._all.held > _MOST_HELD * self._settings.max_upload_bytes:
            raise errors.TooBusy("Too much is being sent at once: try again after `Retry-After` seconds.")
        else:
            self.cycle.body += body

    def on_chunk_header(self) -> None:
        self.chunk = self.held

    def on_chunk_complete(self) -> None:
        self.chunk = -1

    def _claimed(self, data: bytes) -> int:
        """Return the size that the chunk at the end of `data` claims, 0 if its head is not in it."""
        end = len(data) - self.held + self.chunk
        head = _CHUNK_HEAD.search(data, max(0, end - _MOST_CHUNK_HEAD), max(0, end)) if self.chunk >= 0 else None
        return int(head[1], 16) if head else 0

    def on_message_complete(self) -> None:
        if self.again:
            return
        self.in_head, self.deadline = True, float("inf")
        self._release()
        super().on_message_complete()

    def _without_offer(self) -> bytes:
        """Return the head without `Upgrade`: a server may ignore it (RFC 9110, 7.8), but the parser skips the body.

        Java's HTTP client offers HTTP/2 so.
        """
        lines = [b" ".join((self.parser.get_method(), self.url, b"HTTP/" + self.parser.get_http_version().encode()))]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def _unsupported_upgrade_warning(self) -> None:
        """Note where the head ended; uvicorn calls this while it handles the exception."""
        self.head_end = sys.exc_info()[1].args[0]  # type: ignore[union-attr]

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser rejected; uvicorn calls this while it handles the exception."""
        error: BaseException | None = sys.exc_info()[1]
        cause = error.__context__ if error else None
        if cause is None:
            why = str(error or msg).rstrip(".")
            cause = errors.MalformedRequest(f"The request is not well-formed HTTP/1.1 ({why}): correct it.")
        elif not isinstance(cause, errors.DigitsError):  # uvicorn cannot take the address apart
            cause = errors.MalformedRequest("The address is not valid: send a path such as /predict.")
        self.fail(cause)

    def fail(self, error: errors.DigitsError) -> None:
        """Answer the arriving request with an error and close the connection."""
        self.failed, self.deadline = True, float("inf")
        self._release()
        if self.in_head or self.cycle.response_complete or not self.cycle.more_body:
            # uvicorn has no request to answer: give it an empty one, whose answer follows those to earlier requests.
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(b"GET / HTTP/1.1\r\n\r\n")
            self.cycle.scope |= {"method": "", "path": "", "raw_path": b""}
        self.cycle.scope["state"]["error"] = error
        self.cycle.more_body = self.cycle.keep_alive = False
        self.cycle.message_event.set()

    def shutdown(self) -> None:
        """Answer requests in progress, and those of the next seconds, then close."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self._expect(LAST_SECONDS)

    def on_response_complete(self) -> None:
        """Start the next request, or wait for one without uvicorn's timer."""
        self.server_state.total_requests += 1
        self.transport.write(b"")  # the head of an answer without a body
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self.head:
            self._expect(self.timeout_keep_alive)

    def check(self, now: float) -> None:
        """End the request, or the connection, if the client takes too long."""
        if not self.flow.write_paused:
            self.reading = now + _WRITE_SECONDS
        if now > self.deadline and (self.head or not self.in_head):
            self.fail(errors.SlowRequest("The request took too long to arrive: send it again."))
        elif now > min(self.deadline, self.reading):
            self.transport.abort()

    def _release(self) -> None:
        """Stop counting the bytes of the body: it is complete, or dropped."""
        self._all.held -= self.held
        self.held, self.chunk = 0, -1

    def _leave(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            self.cycle.scope["state"]["gone"] = True
            self.cycle.keep_alive = False

    def _expect(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds
