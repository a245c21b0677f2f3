"""`POST /predict` as nearly everybody sends it, answered without Flask, which takes longer than reading the digit.

That is one picture, as the body or as the one file of a form, with a length, and nothing asked for in the query.
Everything else is Flask's, and so is whatever goes wrong: only there is it known how to say so.
"""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from service import answers
from service.api import NO_SNIFFING, Service
from service.api.reading import read_digit, run
from service.api.uploads import FIELD
from service.engine import Images
from service.logs import NOTES
from service.settings import Settings
from service.store import Serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RULE = "/predict"
FAILED = "digits.failed"  # where the WSGI environment holds the error with which a request has already failed

_PICTURE = re.compile(r"image/[A-Za-z0-9.+-]+|application/octet-stream")
_FORM = re.compile(r"multipart/form-data; ?boundary=([A-Za-z0-9'()+_./:=?-]{1,70})")
_TYPE = rb"(?:Content-Type: [^\r\n]{1,128}\r\n)?"
_HEAD = re.compile(
    _TYPE
    + rb'Content-Disposition: form-data; name="%b"; filename="[^"\\\r\n]{0,1024}"\r\n' % FIELD.encode()
    + _TYPE
    + b"\r\n",
    re.IGNORECASE,
)
_NOTHING_ASKED_FOR = answers.Options()
_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Direct:
    """The WSGI application `application`, with a shorter way to it for what is plain."""

    def __init__(self, application: "WSGIApplication", here: Service) -> None:
        """Answer for the service `here`."""
        self._application = application
        self._here = here

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        length = plain_length(environ)
        if not 0 < length <= self._here.settings.max_upload_bytes:
            return self._application(environ, start_response)
        try:
            body = environ["wsgi.input"].read(length)
            picture = plain_picture(body, environ.get("CONTENT_TYPE", "")) if len(body) == length else b""
            text = self._answer(picture) if picture else b""
        except Exception as error:
            environ[FAILED] = error
            return self._application(environ, start_response)
        if not text:
            environ["wsgi.input"] = BytesIO(body)
            return self._application(environ, start_response)
        environ[NOTES].route = RULE
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text))), NO_SNIFFING]
        start_response("200 OK", headers)
        return [text]

    def _answer(self, picture: bytes) -> bytes:
        here = self._here
        with here.admission.prediction():
            model = here.serving()
            return predictions(here, model, read_digit(here, picture)[np.newaxis])[0]


def is_open(settings: Settings) -> bool:
    """Tell whether requests may be answered without Flask, which alone asks for keys and knows of other sites."""
    return not (settings.api_key_file or settings.cors_origins)


def predictions(here: Service, model: Serving, digits: Images) -> list[bytes]:
    """Return the answer, JSON, to a plain request for each of `digits`, uint8 [N, 28, 28], of one run of the model."""
    return [
        _to_json(answers.single(probabilities, digit, model.manifest, _NOTHING_ASKED_FOR)).encode("ascii") + b"\n"
        for probabilities, digit in zip(run(here, model, digits), digits, strict=True)
    ]


def plain_length(environ: "WSGIEnvironment") -> int:
    """Return how many bytes the body of a plain request has, 0 if the request is none."""
    if environ["PATH_INFO"] != RULE or environ["REQUEST_METHOD"] != "POST" or environ["QUERY_STRING"]:
        return 0
    if "HTTP_CONTENT_ENCODING" in environ or "HTTP_TRANSFER_ENCODING" in environ:
        return 0
    length = environ.get("CONTENT_LENGTH", "")
    return int(length) if re.fullmatch("[0-9]{1,10}", length) else 0


def plain_picture(body: bytes, content_type: str) -> bytes:
    """Return the encoded picture in the body of a plain request, empty if there is none."""
    if _PICTURE.fullmatch(content_type):
        return body
    form = _FORM.fullmatch(content_type)
    return _only_file(body, form[1].encode("ascii")) if form else b""


def _only_file(body: bytes, boundary: bytes) -> bytes:
    """Return what the file `image` of a form holds, empty where the form holds anything beside (RFC 7578, RFC 2046)."""
    opening, delimiter = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
    head = _HEAD.match(body, len(opening)) if body.startswith(opening) else None
    if head is None:
        return b""
    end = body.find(delimiter, head.end())
    if body[end:] not in (delimiter + b"--\r\n", delimiter + b"--"):
        return b""
    return body[head.end() : end]
