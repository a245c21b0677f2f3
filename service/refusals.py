"""What is answered where a request never reaches the application: why, and the bytes of the answer.

gunicorn alone would answer with a page of HTML. The shape is that of all our errors, see `service.errors`.
"""

import json
from http import HTTPStatus

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from service.admission import FULL
from service.errors import TooBusy
from service.logs import REQUEST_ID_HEADER

_BUSY_HEADERS = "".join(f"{name}: {value}\r\n" for name, value in TooBusy.headers.items())


class Late(ParseException):  # type: ignore[misc]
    """A request took too long to arrive."""

    def __str__(self) -> str:
        """Return what the log says."""
        return "it took too long to arrive"


class CutOff(ParseException):  # type: ignore[misc]
    """A request ended before its end."""

    def __str__(self) -> str:
        """Return what the log says."""
        return "its client closed before its end"


REFUSALS: dict[type[ParseException], tuple[HTTPStatus, str, str]] = {
    Late: (HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive: send it again."),
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
        HTTPStatus.BAD_REQUEST,  # the 501 of RFC 9112 would look like a fault of ours to whoever counts them
        "unsupported_transfer_coding",
        "Only `Transfer-Encoding: chunked` is understood: send the body so, or with a Content-Length.",
    ),
    ParseException: (HTTPStatus.BAD_REQUEST, "malformed_request", "The request is not well-formed HTTP/1.1: mend it."),
}
FAILURE = (HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The service failed at this request: see its log.")


def of(exc: BaseException) -> tuple[HTTPStatus, str, str]:
    """Return the status, the code and the message for what stopped a request."""
    return next((refusal for kind, refusal in REFUSALS.items() if isinstance(exc, kind)), FAILURE)


def busy(request: str) -> bytes:
    """Return the answer to the request of this name where more is asked for than can be done; the connection stays."""
    return response(HTTPStatus.TOO_MANY_REQUESTS, TooBusy.code, FULL, request, _BUSY_HEADERS)


def response(
    status: HTTPStatus, code: str, message: str, request: str, headers: str = "Connection: close\r\n"
) -> bytes:
    """Return an answer as it goes over the wire, in the shape that all errors have."""
    body = json.dumps({"error": message, "code": code}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"{headers}"
        "Content-Type: application/json\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"{REQUEST_ID_HEADER}: {request}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body
