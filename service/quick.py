"""Plain predictions, answered with no head for gunicorn to read and no environment for Flask to make.

The worker's main thread answers them, small ones all together that have arrived by the time it looks, in one run.

A run of the model reads all of its 1.8 MB of weights, for one picture as for eight, and the caches forget the rest of
the service meanwhile. So when many ask at once, eight together take little more than half the time of eight one by
one, and nobody is made to wait for others. No thread takes part: with several, and one interpreter between them, the
slowest percent of answers takes twice as long. So nobody is waited for here, whatever window is set for the threads;
what they have waiting is taken along. A request takes 190 us of a processor; through a thread it takes 520, and
through Flask 830. What is answered so is certain to take little time: a plain request (`service.api.direct`) with a
picture that is in MNIST's form already.

Binary tensors of the Open Inference Protocol are answered here too, a request at a time, where a processor runs the
model: 256 images take 2.6 ms of it, and handing them to a thread and back another 0.4. A GPU has threads to wait for
it, and larger batches would keep others waiting.

Everything else, and whatever fails, is left to gunicorn, a thread and Flask, as if it had never been looked at.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from time import perf_counter, time
from typing import Any, NamedTuple

import numpy as np
from gunicorn.util import http_date
from werkzeug.http import parse_list_header

from service.api import NO_SNIFFING, Service
from service.api.direct import INFER_RULE, JSON, RULE, plain_picture, predictions
from service.api.inference import JSON_LENGTH
from service.api.oip import inferred
from service.api.reading import read_canonical
from service.connection import Connection
from service.errors import DigitsError
from service.logs import NOTES, REQUEST_ID_HEADER, Notes, RequestIds, current
from service.preprocessing.illumination import Grey

MOST_BYTES = 16 << 10  # of a request with a picture
MOST_TENSOR_BYTES = 256 << 10  # of a request with tensors
MOST_TOGETHER = 32  # requests; the first of more get their answers before the last are looked at
_LINE = "POST {} HTTP/1.1".format
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}): ([!-~](?:[ -~]{0,1022}[!-~])?)")
# A request with one of these is not plain; Host, which has to be there, is gunicorn's to miss.
_UNUSUAL = frozenset(("transfer-encoding", "content-encoding", "expect", "upgrade", "http2-settings", "te", "trailer"))


class Request(NamedTuple):
    """A plain request: a head with nothing unusual, and all of its body."""

    headers: dict[str, str]
    body: bytes


class Question(NamedTuple):
    """A request that is answered here."""

    notes: Notes
    path: str
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
        self._line = _LINE(RULE).encode("ascii")
        self._infer_path = INFER_RULE.replace("<name>", here.settings.model_name)
        self._infer_line = _LINE(self._infer_path).encode("ascii")

    def may_take(self, content: bytearray) -> bool:
        """Tell at a glance whether it is worth the while to look at a request for a picture in it."""
        return len(content) <= MOST_BYTES and content.startswith(self._line)

    def may_infer(self, content: bytearray) -> bool:
        """Tell at a glance whether it is worth the while to look at a request for tensors in it."""
        return len(content) <= MOST_TENSOR_BYTES and content.startswith(self._infer_line)

    def answer(self, connections: Sequence[Connection]) -> list[bytes | None]:
        """Return the answer to the request that has arrived on each connection, None where it has to go another way."""
        model = self._here.store.serving
        if model is None:
            return [None] * len(connections)
        asked = [self._picture(connection.arrival.content) for connection in connections]
        digits = [found[1] for found in asked if found]
        if not digits:
            return [None] * len(connections)
        texts = iter(predictions(self._here, model, np.stack(digits), waited=True))
        return [
            self._finish(found[0], connection, next(texts), JSON) if found else None
            for found, connection in zip(asked, connections, strict=True)
        ]

    def infer(self, connection: Connection) -> bytes | None:
        """Return the answer to the tensors that have arrived on a connection, None if they have to go another way."""
        started = perf_counter()
        model, request = self._here.store.serving, plain_request(connection.arrival.content)
        if model is None or request is None or model.engine.provider != "cpu" or self._here.settings.batch_window_us:
            return None
        json_length = request.headers.get(JSON_LENGTH.lower(), "")
        if not json_length.isdecimal() or len(json_length) > 6:
            return None
        if request.body.find(b"BYTES", 0, int(json_length)) >= 0:  # pictures, and any of them may take long to read
            return None
        question = self._question(request, INFER_RULE, self._infer_path, started)
        current.set(question.notes)
        try:
            content, headers = inferred(self._here, model, request.body, json_length)
        except DigitsError:
            return None
        finally:
            current.set(None)
        return self._finish(question, connection, content, headers)

    def _picture(self, content: bytearray) -> tuple[Question, Grey] | None:
        """Return what is asked and the digit it is asked of, None where the main thread had better not answer."""
        started = perf_counter()
        request = plain_request(content)
        if request is None:
            return None
        picture = plain_picture(request.body, request.headers.get("content-type", ""))
        digit = read_canonical(self._here, picture)
        if digit is None:
            return None
        question = self._question(request, RULE, RULE, started)
        question.notes.pictures = 1
        return question, digit

    def _question(self, request: Request, rule: str, path: str, started: float) -> Question:
        notes = Notes(self._ids.name(request.headers.get("x-request-id", "")), rule)
        return Question(notes, path, request.headers.get("x-forwarded-for", ""), len(request.body), started)

    def _finish(self, question: Question, connection: Connection, content: bytes, headers: Mapping[str, str]) -> bytes:
        """Count and log an answer, and return it with its head."""
        seconds, notes = perf_counter() - question.started, question.notes
        self._here.metrics.started()
        self._here.metrics.ended(notes.route, "POST", "200", seconds)
        environ = {
            NOTES: notes,
            "REQUEST_METHOD": "POST",
            "RAW_URI": question.path,
            "CONTENT_LENGTH": question.bytes_in,
            "REMOTE_ADDR": self._remote(question.forwarded_for, connection.client),
        }
        self._log.access(Answered("200 OK", len(content)), None, environ, timedelta(seconds=seconds))
        lines = {**headers, REQUEST_ID_HEADER: notes.request_id, "Content-Length": len(content)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return b"%b%b\r\n%b" % (_head(int(time())), head.encode("ascii"), content)

    def _remote(self, forwarded_for: str, client: Any) -> str:
        """Return who asks: the peer, or whom the trusted proxies name, counted from the last as Werkzeug does."""
        trusted = self._here.settings.trusted_proxies
        named = parse_list_header(forwarded_for) if trusted else []
        if trusted and len(named) >= trusted:
            return named[-trusted]
        return client if isinstance(client, str) else str(client[0])


def plain_request(content: bytearray) -> Request | None:
    """Return the request that has arrived, None where it is not plain, or where another one follows."""
    end = content.find(b"\r\n\r\n")
    headers = plain_headers(content[:end].decode("latin-1"))
    if not headers or _UNUSUAL & headers.keys():
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    body = bytes(memoryview(content)[end + 4 :])
    return Request(headers, body) if headers.get("content-length") == str(len(body)) else None


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
    return "\r\n".join([*lines, ": ".join(NO_SNIFFING), ""]).encode("ascii")
