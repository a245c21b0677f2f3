"""Small predictions, answered by the worker's main thread: all that have arrived by the time it looks, in one run.

A run of the model reads all of its 1.8 MB of weights, for one picture as for eight, and the caches forget the rest of
the service meanwhile. So when many ask at once, eight together take little more than half the time of eight one by
one, and nobody is made to wait for others. No thread takes part: with several, and one interpreter between them, the
slowest percent of answers takes twice as long. So nobody is waited for here, whatever window is set for the threads;
what they have waiting is taken along. With no head for gunicorn to read and no environment for Flask to make,
a request takes 190 us of a processor; through a thread it takes 520, and through Flask 830.

What is answered here is certain to take little time: a plain request (`service.api.direct`) with a picture that is in
MNIST's form already. Everything else, and whatever fails, is left to gunicorn, a thread and Flask, as if it had never
been looked at.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from time import perf_counter, time
from typing import Any, NamedTuple

import numpy as np
from gunicorn.util import http_date
from werkzeug.http import parse_list_header

from service.api import NO_SNIFFING, Service
from service.api.direct import RULE, plain_picture, predictions
from service.api.reading import read_canonical
from service.connection import Connection
from service.light import Grey
from service.logs import NOTES, REQUEST_ID_HEADER, Notes, RequestIds

MOST_BYTES = 16 << 10  # of a request
MOST_TOGETHER = 32  # requests; the first of more get their answers before the last are looked at
_LINE = f"POST {RULE} HTTP/1.1".encode()
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}): ([!-~](?:[ -~]{0,1022}[!-~])?)")
# A request with one of these is not plain; Host, which has to be there, is gunicorn's to miss.
_UNUSUAL = frozenset(("transfer-encoding", "content-encoding", "expect", "upgrade", "http2-settings", "te", "trailer"))


class Question(NamedTuple):
    """A request that is answered here."""

    notes: Notes
    digit: Grey
    forwarded_for: str  # by proxies, as they say it
    bytes_in: int
    started: float


class Answered(NamedTuple):
    """What the log wants to know of an answer, under gunicorn's names."""

    status: str
    sent: int


class Quick:
    """Answers for the service `here`; `ids` names the requests, `log` has gunicorn's `access`."""

    def __init__(self, here: Service, ids: RequestIds, log: Any) -> None:
        """Look at the settings once."""
        self._here = here
        self._ids = ids
        self._log = log

    def may_take(self, content: bytearray) -> bool:
        """Tell at a glance whether it is worth the while to look at a request."""
        return len(content) <= MOST_BYTES and content.startswith(_LINE)

    def answer(self, connections: Sequence[Connection]) -> list[bytes | None]:
        """Return the answer to the request that has arrived on each connection, None where it has to go another way."""
        model = self._here.store.serving
        if model is None:
            return [None] * len(connections)
        questions = [self._question(bytes(connection.arrival.content)) for connection in connections]
        digits = [question.digit for question in questions if question]
        if not digits:
            return [None] * len(connections)
        texts = iter(predictions(self._here, model, np.stack(digits), waited=True))
        return [
            self._finish(question, next(texts), connection) if question else None
            for question, connection in zip(questions, connections, strict=True)
        ]

    def _question(self, content: bytes) -> Question | None:
        started = perf_counter()
        head, _, body = content.partition(b"\r\n\r\n")
        headers = plain_headers(head.decode("latin-1"))
        if not headers or _UNUSUAL & headers.keys():
            return None
        if headers.get("connection", "keep-alive").lower() != "keep-alive":
            return None
        if headers.get("content-length") != str(len(body)):  # a second request may follow
            return None
        digit = read_canonical(self._here, plain_picture(body, headers.get("content-type", "")))
        if digit is None:
            return None
        notes = Notes(self._ids.name(headers.get("x-request-id", "")), RULE, pictures=1)
        return Question(notes, digit, headers.get("x-forwarded-for", ""), len(body), started)

    def _finish(self, question: Question, text: bytes, connection: Connection) -> bytes:
        """Count and log an answer, and return it with its head."""
        seconds = perf_counter() - question.started
        self._here.metrics.started()
        self._here.metrics.ended(RULE, "POST", "200", seconds)
        environ = {
            NOTES: question.notes,
            "REQUEST_METHOD": "POST",
            "RAW_URI": RULE,
            "CONTENT_LENGTH": question.bytes_in,
            "REMOTE_ADDR": self._remote(question.forwarded_for, connection.client),
        }
        self._log.access(Answered("200 OK", len(text)), None, environ, timedelta(seconds=seconds))
        return b"%b%b: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            _head(int(time())),
            REQUEST_ID_HEADER.encode(),
            question.notes.request_id.encode("ascii"),
            len(text),
            text,
        )

    def _remote(self, forwarded_for: str, client: Any) -> str:
        """Return who asks: the peer, or whom the trusted proxies name, counted from the last as Werkzeug does."""
        trusted = self._here.settings.trusted_proxies
        named = parse_list_header(forwarded_for) if trusted else []
        if trusted and len(named) >= trusted:
            return named[-trusted]
        return client if isinstance(client, str) else str(client[0])


def plain_headers(head: str) -> dict[str, str]:
    """Return a request's headers by their names in small letters, none where one is repeated or at all unusual."""
    lines = head.split("\r\n")[1:]
    found = [_HEADER.fullmatch(line) for line in lines]
    headers = {match[1].lower(): match[2] for match in found if match}
    return headers if len(headers) == len(lines) and "host" in headers else {}


@lru_cache(maxsize=1)
def _head(now: int) -> bytes:
    """Return how an answer begins in the second `now`, as gunicorn writes it."""
    lines = ("HTTP/1.1 200 OK", "Server: gunicorn", f"Date: {http_date(now)}", "Connection: keep-alive")
    return "\r\n".join([*lines, "Content-Type: application/json", ": ".join(NO_SNIFFING), ""]).encode("ascii")
