"""The ASGI door: every request passes it once, whatever it asks.

Here and nowhere else a request gets its id, its deadlines and limits, its key checked, its CORS headers, its turn, its
line in the log and its place in the metrics. Predictions are answered here: small pictures and tensors are read on the
event loop, larger pictures one by one in threads, and all wait in one queue for the model. Flask answers the rest.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from a2wsgi import WSGIMiddleware

from service.errors import DigitsError, ExpectationFailed, MalformedRequest, RequestError, TooBusy, TooLarge
from service.http.access import RawHeaders, below, cors_headers, demand_key, path_prefix
from service.http.app import NO_SNIFFING, PREDICTIONS, create_app
from service.http.body import Arrivals, Body, Receive, unpacked
from service.http.logs import REQUEST_ID_HEADER, Notes, RequestIds, current, log_access
from service.http.messages import Question, Read, Request, Response, defect, pixels, problem
from service.http.state import Service, images_of
from service.http.tensors import JSON_LENGTH
from service.http.turns import FULL, Turns
from service.inference.queue import Queue
from service.inference.store import Serving
from service.preprocessing.decode import PIXEL_BYTES
from service.preprocessing.illumination import Grey

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SMALL_BODY = 64 << 10  # bytes that are parsed, and whose pictures are decoded, on the event loop
SMALL_TENSORS = 1 << 20  # bytes of binary tensors
SMALL_PIXELS = 512 * 512
MOST_A_RUN = 256  # images: a run of more would keep the event loop from everybody else
_MOST_LARGEST = 8  # so many times the largest colour picture may the pictures of a request take in memory together
_OTHER_ROUTES = 4  # threads for them, which predictions never take

_ROUTES = [(re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", rule)), rule, read) for rule, read in PREDICTIONS.items()]

log = logging.getLogger(__name__)


class Exchange:
    """A request and its answer on their way; `headers` has their names in small letters."""

    def __init__(self, scope: Scope, send: Send, notes: Notes, headers: dict[str, str], extra: RawHeaders) -> None:
        """Give the answer `extra` headers."""
        self.scope, self.notes, self.headers = scope, notes, headers
        self._send, self._extra = send, extra

    async def send(self, message: dict[str, Any]) -> None:
        """Pass a message of Flask's answer on."""
        if message["type"] == "http.response.start":
            self.notes.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._extra]}
        else:
            self.notes.bytes_out += len(message["body"])
        await self._send(message)

    async def give(self, response: Response, body: Body) -> None:
        """Answer. Where the request was not read whole the connection closes, when the client has had time to read."""
        lines = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        lines += [(b"content-length", b"%d" % len(response.body)), _NO_SNIFFING, *self._extra]
        if not body.complete:
            lines.append((b"connection", b"close"))
        self.notes.status, self.notes.bytes_out = response.status, len(response.body)
        await self._send({"type": "http.response.start", "status": response.status, "headers": lines})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": not body.complete})
        if not body.complete:
            await body.discard()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


_NO_SNIFFING = (NO_SNIFFING[0].lower().encode(), NO_SNIFFING[1].encode())
_ID = REQUEST_ID_HEADER.lower().encode()


class Front:
    """The ASGI application of one worker, for the service `here`."""

    def __init__(self, here: Service) -> None:
        """Start threads as they are needed; nothing else is expensive here."""
        self.here = here
        settings = here.settings
        self._flask: Any = WSGIMiddleware(create_app(here), workers=_OTHER_ROUTES)  # type: ignore[arg-type]
        self._turns = Turns(settings.threads, settings.queue_seconds)
        gpu = ThreadPoolExecutor(1, "model") if settings.uses_cuda else None
        self._queue: Queue[Serving] = Queue(here.run, most=settings.max_batch, executor=gpu)
        self._arrivals = Arrivals(settings)
        self._ids = RequestIds()
        self._answered: list[Notes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, count it and log it."""
        if scope["type"] != "http":
            return await _lifespan(receive, send)
        started = perf_counter()
        exchange = self._exchange(scope, send)
        notes = exchange.notes
        reset = current.set(notes)
        self.here.metrics.in_flight.inc()
        body = Body(self._arrivals, exchange.headers, scope["state"], receive)
        try:
            await self._answer(exchange, body, started)
        finally:
            notes.seconds = perf_counter() - started
            self._answered.append(notes)
            if len(self._answered) == 1:
                asyncio.get_running_loop().call_soon(self._report)
            current.reset(reset)

    def _report(self) -> None:
        """Count and log what was answered in this turn: together it takes half as long as one by one."""
        answered, self._answered = self._answered, []
        self.here.metrics.flush()
        for notes in answered:
            self.here.metrics.answered(notes)
            log_access(notes)

    def _exchange(self, scope: Scope, send: Send) -> Exchange:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if prefix := path_prefix(self.here.settings, headers):
            scope["root_path"], scope["path"] = prefix, below(prefix, scope["path"])
        notes = Notes(
            self._ids.name(headers.get("x-request-id", "")),
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            self._remote(scope, headers),
            int(headers.get("content-length", 0)),
        )
        extra = [(_ID, notes.request_id.encode())]
        if self.here.settings.cors_origins:
            extra += cors_headers(self.here.settings.cors_origins, scope["method"], headers)
        return Exchange(scope, send, notes, headers, extra)

    def _remote(self, scope: Scope, headers: dict[str, str]) -> str:
        """Return who asks: the peer, or whom the trusted proxies name, counted from the last."""
        trusted = self.here.settings.trusted_proxies
        named = headers["x-forwarded-for"].split(",") if trusted and "x-forwarded-for" in headers else []
        if trusted and len(named) >= trusted:
            return named[-trusted].strip()
        return scope["client"][0] if scope["client"] else "-"

    async def _answer(self, exchange: Exchange, body: Body, started: float) -> None:
        try:
            self._admit(exchange, started)
            content = await body.read()
            encoding = exchange.headers.get("content-encoding", "identity").lower()
            if encoding != "identity":
                content = await self._turns.take(unpacked, content, encoding, self._arrivals.most)
            exchange.notes.bytes_in = len(content)
            found = _route(exchange.scope)
            if found is None:
                await self._flask(_without_body(exchange.scope, content), _replay(content), exchange.send)
                return
            exchange.notes.route, read, names = found
            request = Request(content, exchange.headers, exchange.scope["query_string"].decode("ascii"))
            response = await self._predict(read, request, names, exchange.notes, body)
        except DigitsError as error:
            exchange.notes.code, response = error.code, problem(error)
        except Exception:
            log.exception("A request failed")
            exchange.notes.code, response = defect().code, problem(defect())
        await exchange.give(response, body)

    def _admit(self, exchange: Exchange, started: float) -> None:
        """Let a request in by its head alone.

        Raises:
            DigitsError: it is none that can be answered.
        """
        scope, headers, settings = exchange.scope, exchange.headers, self.here.settings
        if "error" in scope["state"]:
            raise scope["state"]["error"]
        if scope["http_version"] not in ("1.0", "1.1"):
            raise MalformedRequest("The request line names no version of HTTP that is spoken here: send HTTP/1.1.")
        if "transfer-encoding" in headers and scope["http_version"] == "1.0":
            raise MalformedRequest("HTTP/1.0 knows no `Transfer-Encoding`: send a `Content-Length`.")
        if "host" not in headers and scope["http_version"] == "1.1":
            raise MalformedRequest("The request has no `Host` header, which HTTP/1.1 demands: send it.")
        if not scope["query_string"].isascii():
            raise MalformedRequest("The address has bytes that are not ASCII: percent-encode them.")
        if headers.get("expect", "100-continue").lower() != "100-continue":
            raise ExpectationFailed("Only `Expect: 100-continue` is understood: leave the header out.")
        if settings.api_key_file:
            demand_key(settings.api_key_file, scope["method"], scope["path"], headers)
        if started - scope["state"].get("received", started) > settings.queue_seconds:
            raise TooBusy(FULL)

    async def _predict(self, read: Read, request: Request, names: dict[str, str], notes: Notes, body: Body) -> Response:
        """Answer a request for predictions as `Service.respond` does, in turns with others."""
        model = self.here.model(**names)
        if _is_small(request):
            question = read(request, self.here.settings)
            memory = question.open()
        else:
            question = await self._turns.take(read, request, self.here.settings)
            memory = await self._turns.take(question.open)
        if memory > _MOST_LARGEST * PIXEL_BYTES * self.here.settings.max_pixels:
            raise TooLarge("The pictures are too large together: send fewer of them in a request.")
        several = len(question.pictures) > 1
        try:
            async with asyncio.timeout(self.here.settings.request_seconds if several else None):
                digits = await self._digits(question, body)
        except TimeoutError:
            raise TooBusy("The pictures take too long together: send fewer of them in a request.") from None
        images = images_of(question, digits)
        notes.pictures = len(images)
        runs = [images[start : start + MOST_A_RUN] for start in range(0, len(images), MOST_A_RUN)] or [images]
        parts = [await self._queue.submit(model, part, pictures=question.images is None) for part in runs]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if len(images) <= MOST_A_RUN:
            return question.answer(model, digits, rows)
        return await self._turns.take(question.answer, model, digits, rows, patient=True)

    async def _digits(self, question: Question, body: Body) -> list[Grey | RequestError]:
        """Read the pictures of a question one after the other, among those of others."""
        digits = []
        for index, picture in enumerate(question.pictures):
            body.check_client()
            if pixels(picture) > SMALL_PIXELS:
                digits.append(await self._turns.take(self.here.digit, question, index, patient=index > 0))
            else:
                digits.append(self.here.digit(question, index))
                if len(question.pictures) > 1:
                    await asyncio.sleep(0)
        return digits


def _is_small(request: Request) -> bool:
    length = request.headers.get(JSON_LENGTH.lower(), "")
    if length.isascii() and length.isdigit() and len(request.body) <= SMALL_TENSORS:
        return int(length) <= SMALL_BODY
    return len(request.body) <= SMALL_BODY


def _route(scope: Scope) -> tuple[str, Read, dict[str, str]] | None:
    """Return the rule of a request for predictions, what reads it, and what its path names; None for other routes."""
    if scope["method"] == "POST":
        for pattern, rule, read in _ROUTES:
            if found := pattern.fullmatch(scope["path"]):
                return rule, read, found.groupdict()
    return None


def _replay(content: bytes) -> Receive:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


def _without_body(scope: Scope, content: bytes) -> Scope:
    """Return the scope for Flask, whose body has been read and unpacked."""
    framing = (b"content-length", b"content-encoding", b"transfer-encoding")
    headers = [line for line in scope["headers"] if line[0] not in framing]
    path = scope["root_path"] + scope["path"]  # as ASGI has it
    return {**scope, "path": path, "headers": [*headers, (b"content-length", b"%d" % len(content))]}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
