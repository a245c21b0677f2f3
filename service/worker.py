"""gunicorn's threaded worker, with our error shape for what it refuses itself, and a quick stop that is quick.

A request whose head is malformed never reaches the application; gunicorn alone would answer it with a page of HTML.
"""

import json
import os
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from service.logs import REQUEST_ID_HEADER, Notes, current

_REFUSALS: dict[type[ParseException], tuple[HTTPStatus, str, str]] = {
    LimitRequestLine: (HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "The address is too long: shorten it."),
    LimitRequestHeaders: (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "The request has too many headers, or too large ones: send fewer.",
    ),
    ExpectationFailed: (
        HTTPStatus.EXPECTATION_FAILED,
        "expectation_failed",
        "Only `Expect: 100-continue` is understood: leave the header out.",
    ),
    UnsupportedTransferCoding: (
        HTTPStatus.NOT_IMPLEMENTED,
        "unsupported_transfer_coding",
        "Only `Transfer-Encoding: chunked` is understood: send the body so, or with a Content-Length.",
    ),
    ParseException: (HTTPStatus.BAD_REQUEST, "malformed_request", "The request is not well-formed HTTP/1.1: mend it."),
}
_FAILURE = (HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The service failed at this request: see its log.")


class Worker(ThreadWorker):  # type: ignore[misc]
    """The threaded worker as it serves here."""

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ARG002
        """Stop at once, on SIGINT and SIGQUIT; requests in flight are dropped.

        gunicorn's own handler shuts the thread pool down. Where the signal arrives while the main thread hands a
        request to that pool, it waits for a lock that it holds itself, until it is killed after the grace period.
        """
        self.alive = False
        self.cfg.worker_int(self)
        os._exit(0)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer a request that did not reach the application, or that broke it, and log why."""
        status, code, message = _refusal(exc)
        notes = Notes(self.wsgi.wsgi_app.ids.name(), code=code)
        current.set(notes)
        self.wsgi.extensions["digits"].metrics.unread(str(status.value), code)
        if isinstance(exc, ParseException):
            self.log.warning("Refused a request: %s", exc)
        else:
            self.log.exception("Failed at a request")
        try:
            write_nonblock(client, _response(status, code, message, notes.request_id))
        except OSError:
            self.log.debug("The client had gone", exc_info=True)
        finally:
            current.set(None)


def _refusal(exc: BaseException) -> tuple[HTTPStatus, str, str]:
    return next((refusal for kind, refusal in _REFUSALS.items() if isinstance(exc, kind)), _FAILURE)


def _response(status: HTTPStatus, code: str, message: str, request: str) -> bytes:
    body = json.dumps({"error": message, "code": code}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"{REQUEST_ID_HEADER}: {request}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body
