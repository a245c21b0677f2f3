"""The ASGI application: every request passes it once.

Only here requests get IDs, limits, API key checks, CORS headers, admission, log lines and metrics. Predictions are
answered here: small pictures and tensors are read on the event loop, larger pictures one by one in threads, and all
wait in one queue for the model. Flask answers the other routes.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, TypeVar

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from service.errors import DigitsError, TooBusy
from service.http.answering import (
    DEFECT,
    Digits,
    Question,
    Read,
    Request,
    Response,
    Run,
    Service,
    images_of,
    pixels,
    problem,
)
from service.http.app import PREDICTIONS, answered, create_app
from service.http.exchange import FULL, Exchange, Receive, Scope, Send, unpacked
from service.http.logs import UNMATCHED, Notes, current, log_access
from service.http.tensors import JSON_LENGTH
from service.inference.queue import MOST_ON_LOOP, Queue
from service.settings import expects_cuda

SMALL_BODY = 64 << 10  # bytes that are parsed, and whose pictures are decoded, on the event loop
SMALL_TENSORS = 1 << 20  # bytes of binary tensors
SMALL_PIXELS = 512 * 512
_OTHER_ROUTES = 4  # threads; predictions never use them
_NICE = 5  # of the threads: the event loop is urgent
_MEMORY = 0.9  # weight of older turns in the moving mean of durations

T = TypeVar("T")

log = logging.getLogger(__name__)


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
        started = perf_counter()
        exchange = Exchange(scope, receive, send, self.here.settings)
        notes = exchange.notes
        current.set(notes)  # in the context of this request's task
        self.here.metrics.in_flight.inc()
        try:
            await exchange.give(await self._answer(exchange, started))
        finally:
            notes.seconds = perf_counter() - started
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

    async def _answer(self, exchange: Exchange, started: float) -> Response:
        notes = exchange.notes
        try:
            exchange.admit(started)
            content = await exchange.body()
            encoding = exchange.headers.get("content-encoding", "identity").lower()
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
                digits = await self._digits(question, exchange)
        except TimeoutError:
            raise TooBusy("The pictures take too long together: send fewer in a request.") from None
        images = images_of(question, digits)
        exchange.notes.pictures = len(images)
        rows = await self._queue.submit(model, images, pictures=question.images is None)
        run = Run(model.manifest, digits, images, rows)
        if len(images) <= MOST_ON_LOOP and not question.is_slow:
            return self.here.answer(question, run)
        return await self._turns.take(self.here.answer, question, run, patient=True)

    async def _digits(self, question: Question, exchange: Exchange) -> Digits:
        """Read the pictures of a question one by one, interleaved with those of other requests."""
        digits = []
        for index, picture in enumerate(question.pictures):
            exchange.check_client()
            if question.is_slow or pixels(picture) > SMALL_PIXELS:
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


def _route(routes: MapAdapter, path: str, method: str) -> tuple[str, Mapping[str, Any]]:
    """Return the rule of a request, and the parameters in its path."""
    try:
        rule, names = routes.match(path, method, return_rule=True)
        return rule.rule, names
    except HTTPException:  # Flask answers it
        return UNMATCHED, {}


class Turns:
    """Runs slow work in a pool of `threads`, first come, first served; work waits at most `seconds` for one."""

    def __init__(self, threads: int, seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, "turns", initializer=_be_nice)
        self._free = asyncio.Semaphore(threads)
        self._threads = threads
        self._seconds = seconds
        self._waiting = 0
        self._mean = 0.0  # seconds of a turn

    async def take(self, function: Callable[..., T], *args: Any, patient: bool = False) -> T:
        """Call `function` in a thread and return its result; raise TooBusy if it would wait too long.

        `patient` work, for a request in progress, waits as long as it takes.
        """
        if not patient and self._free.locked() and self._mean * self._waiting / self._threads > self._seconds:
            raise TooBusy(FULL)
        self._waiting += 1
        try:
            async with asyncio.timeout(None if patient else self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise TooBusy(FULL) from None
        finally:
            self._waiting -= 1
        started = perf_counter()
        try:
            work = partial(copy_context().run, function, *args)
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._free.release()
            self._mean = _MEMORY * self._mean + (1 - _MEMORY) * (perf_counter() - started)


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere 0 is the whole process
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
