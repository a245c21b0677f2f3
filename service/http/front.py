"""The ASGI application: every request passes it once.

Only here requests get IDs, limits, API key checks, CORS headers, admission, log lines and metrics. Predictions are
answered here: small pictures and tensors are read on the event loop, larger pictures one by one in threads, and all
wait in one queue for the model. Flask answers the other routes.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import lru_cache, partial
from secrets import token_hex
from time import perf_counter
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from service.errors import DigitsError, ExpectationFailed, MalformedRequest, TooBusy
from service.http.answering import DEFECT, Question, Read, Request, Response, Service, body_too_large, pixels, problem
from service.http.app import PREDICTIONS, answered, create_app
from service.http.headers import below_prefix, client, cors_headers, demand_key, unpacked
from service.http.logs import REQUEST_ID, REQUEST_ID_HEADER, UNMATCHED, Notes, current, log_access
from service.http.tensors import JSON_LENGTH
from service.inference.queue import FULL, MOST_ON_LOOP, Queue, Turns
from service.settings import Settings, expects_cuda

SMALL_BODY = 64 << 10  # bytes that are parsed, and whose pictures are decoded, on the event loop
SMALL_TENSORS = 1 << 20  # bytes of binary tensors
SMALL_PIXELS = 512 * 512
_OTHER_ROUTES = 4  # threads; predictions never use them
_GONE = "The client closed the connection before the answer was ready: keep it open."
_LINGER_SECONDS = 5.0  # for a rejected client to stop sending and read its answer
_ID = REQUEST_ID_HEADER.lower().encode()

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)


class Exchange:
    """A request and how to answer it; `headers` are the request's, by lower-case names."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings) -> None:
        self.started = perf_counter()
        self.scope, self._receive, self._send, self._settings = scope, receive, send, settings
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        remote = scope["client"][0] if scope["client"] else "-"
        if settings.trusted_proxies:
            remote = client(settings.trusted_proxies, self.headers, remote)
        if settings.trusted_proxies or settings.root_path != "/":
            scope["root_path"], scope["path"] = below_prefix(settings, self.headers, scope["path"])
        wanted = self.headers.get("x-request-id", "")
        self.notes = Notes(
            wanted if REQUEST_ID.fullmatch(wanted) else token_hex(12),
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            remote,
            int(self.headers.get("content-length", 0)),
        )
        self._unread = self.notes.bytes_in > 0 or "transfer-encoding" in self.headers
        self._extra = [(_ID, self.notes.request_id.encode())]
        if settings.cors_origins:
            self._extra += cors_headers(settings.cors_origins, scope["method"], self.headers)

    def admit(self) -> None:
        """Raise a DigitsError for a request that can be rejected by its head alone."""
        settings, state = self._settings, self.scope["state"]
        if "error" in state:
            raise state["error"]
        check_head(self.scope, self.headers)
        if settings.api_key_file:
            demand_key(settings.api_key_file, self.scope["method"], self.scope["path"], self.headers)
        if self.started - state.get("received", self.started) > settings.queue_seconds:
            raise TooBusy(FULL)
        if self.notes.bytes_in > settings.max_upload_bytes:
            raise body_too_large(settings)

    async def body(self) -> bytes:
        """Return the body, or raise the error that ended the request while it arrived."""
        message = await self._receive()
        if "error" in self.scope["state"]:
            raise self.scope["state"]["error"]
        if message["type"] == "http.disconnect":
            raise MalformedRequest(_GONE)
        self._unread = False
        return bytes(message["body"])

    async def give(self, response: Response) -> None:
        """Send the answer. If the request was not read in full, the connection closes after a moment to read it."""
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers] + self._extra
        if response.body:
            lines.append((b"content-length", b"%d" % len(response.body)))
        if self._unread:
            lines.append((b"connection", b"close"))
        self.notes.status, self.notes.bytes_out = response.status, len(response.body)
        await self._send({"type": "http.response.start", "status": response.status, "headers": lines})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": self._unread})
        if self._unread:  # a connection that is reset while the client sends may lose the answer
            with suppress(TimeoutError):
                await asyncio.wait_for(self._receive(), _LINGER_SECONDS)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class Front:
    """The ASGI application of one worker, for the service `here`."""

    def __init__(self, here: Service) -> None:
        self.here = here
        settings = here.settings
        self._flask = create_app(here)
        self._other_routes = ThreadPoolExecutor(_OTHER_ROUTES, "flask")
        self._turns = Turns(settings.threads, settings.queue_seconds)
        on_loop = 0 if expects_cuda(settings.provider) else MOST_ON_LOOP
        self._queue = Queue(here.run, most=settings.max_batch, on_loop=on_loop)
        self._route = lru_cache(512)(partial(_route, self._flask.url_map.bind("")))
        self._answered: list[Notes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, count it and log it."""
        exchange = Exchange(scope, receive, send, self.here.settings)
        notes = exchange.notes
        current.set(notes)  # in the context of this request's task
        self.here.metrics.in_flight.inc()
        try:
            await exchange.give(await self._answer(exchange))
        finally:
            notes.seconds = perf_counter() - exchange.started
            self._answered.append(notes)
            if len(self._answered) == 1:
                asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        """Count and log what was answered in this turn: together takes half as long as one by one."""
        answered, self._answered = self._answered, []
        self.here.metrics.flush()
        for notes in answered:
            self.here.metrics.answered(notes)
            log_access(notes)

    async def _answer(self, exchange: Exchange) -> Response:
        notes = exchange.notes
        try:
            exchange.admit()
            content = await exchange.body()
            encoding = (exchange.headers.get("content-encoding") or "identity").lower()
            if encoding != "identity":
                content = await self._turns.take(unpacked, content, encoding, self.here.settings.max_upload_bytes)
            notes.bytes_in = len(content)
            notes.route, names = self._route(exchange.scope["path"], notes.method)
            read = PREDICTIONS.get(notes.route)
            if read is None or notes.method != "POST":
                ask = partial(copy_context().run, answered, self._flask, exchange.scope, content)
                return await asyncio.get_running_loop().run_in_executor(self._other_routes, ask)
            request = Request(content, exchange.headers, exchange.scope["query_string"].decode("ascii"))
            return await self._predict(read, request, names, exchange)
        except DigitsError as error:
            notes.code = error.code
            return problem(error)
        except Exception:
            log.exception("A request failed")
            notes.code = DEFECT.code
            return problem(DEFECT)

    async def _predict(self, read: Read, request: Request, names: Mapping[str, Any], exchange: Exchange) -> Response:
        """Answer a request for predictions as `Service.respond` does, in turns with others."""
        model = self.here.model(**names)
        if _is_small(request):
            question = self.here.parse(read, request)
        else:
            question = await self._turns.take(self.here.parse, read, request)
        several = len(question.pictures) > 1
        try:
            async with asyncio.timeout(self.here.settings.request_seconds if several else None):
                await self._read(question, exchange)
        except TimeoutError:
            raise TooBusy("The pictures take too long together: send fewer in a request.") from None
        images, fitted = question.inputs()
        exchange.notes.pictures = len(images)
        rows = await self._queue.submit(model, images, fitted)
        if len(images) <= MOST_ON_LOOP and not question.is_slow:
            return self.here.answer(question, model, rows)
        return await self._turns.take(self.here.answer, question, model, rows, patient=True)

    async def _read(self, question: Question, exchange: Exchange) -> None:
        """Read the pictures of a question one by one, interleaved with those of other requests."""
        for index, picture in enumerate(question.pictures):
            if "gone" in exchange.scope["state"]:
                raise MalformedRequest(_GONE)
            if question.is_slow or pixels(picture) > SMALL_PIXELS:
                await self._turns.take(self.here.read_next, question, patient=index > 0)
            else:
                self.here.read_next(question)
                if len(question.pictures) > 1:
                    await asyncio.sleep(0)


def _is_small(request: Request) -> bool:
    json_length = request.headers.get(JSON_LENGTH.lower(), "")
    is_binary = re.fullmatch("[0-9]{1,5}", json_length) and int(json_length) <= SMALL_BODY
    return len(request.body) <= (SMALL_TENSORS if is_binary else SMALL_BODY)


def _route(routes: MapAdapter, path: str, method: str) -> tuple[str, Mapping[str, Any]]:
    """Return the rule of a request, and the parameters in its path."""
    try:
        rule, names = routes.match(path, method, return_rule=True)
        return rule.rule, names
    except HTTPException:  # Flask answers it
        return UNMATCHED, {}


def check_head(scope: Scope, headers: dict[str, str]) -> None:
    """Raise MalformedRequest or ExpectationFailed for a head that the parser accepts but HTTP/1.1 forbids."""
    if scope["http_version"] not in ("1.0", "1.1"):
        raise MalformedRequest("The HTTP version is not supported: use HTTP/1.1.")
    if "transfer-encoding" in headers and scope["http_version"] == "1.0":
        raise MalformedRequest("HTTP/1.0 has no `Transfer-Encoding`: send a `Content-Length`.")
    if "host" not in headers and scope["http_version"] == "1.1":
        raise MalformedRequest("The request has no `Host` header, which HTTP/1.1 requires: send it.")
    if not scope["query_string"].isascii():
        raise MalformedRequest("The address has bytes that are not ASCII: percent-encode them.")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise ExpectationFailed("Only `Expect: 100-continue` is supported: remove the header.")
