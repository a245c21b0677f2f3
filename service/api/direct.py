"""`POST /predict` and inference as nearly everybody asks for them, without Flask, which takes longer than the model.

That is a body with a length, and nothing asked for in the query; a picture is the body or the one file of a form.
Everything else is Flask's, and so is whatever goes wrong: only there is it known how to say so.
"""

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from service import answers
from service.api import NO_SNIFFING, Service, oip
from service.api.inference import JSON_LENGTH
from service.api.reading import read_digit, run
from service.api.uploads import FIELD
from service.inference.engine import Images
from service.inference.store import Serving
from service.logs import NOTES
from service.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RULE = "/predict"
INFER_RULE = f"{oip.blueprint.url_prefix}{oip.INFER}"
JSON = {"Content-Type": "application/json"}
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
_JSON_LENGTH = "HTTP_" + JSON_LENGTH.upper().replace("-", "_")

_Answer = tuple[bytes, dict[str, str]]  # and its headers
_Way = Callable[[Service, bytes, "WSGIEnvironment"], _Answer]
_NOTHING: _Answer = (b"", {})


class Direct:
    """The WSGI application `application`, with a shorter way to it for what is plain."""

    def __init__(self, application: "WSGIApplication", here: Service) -> None:
        """Answer for the service `here`."""
        self._application = application
        self._here = here
        self._ways: dict[str, tuple[str, _Way]] = {
            RULE: (RULE, _predict),
            INFER_RULE.replace("<name>", here.settings.model_name): (INFER_RULE, _infer),
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        rule, way = self._ways.get(environ["PATH_INFO"], ("", _predict))
        length = plain_length(environ) if rule else 0
        if not 0 < length <= self._here.settings.max_upload_bytes:
            return self._application(environ, start_response)
        try:
            body = environ["wsgi.input"].read(length)
            content, headers = way(self._here, body, environ) if len(body) == length else _NOTHING
        except Exception as error:
            environ[FAILED] = error
            return self._application(environ, start_response)
        if not content:
            environ["wsgi.input"] = BytesIO(body)
            return self._application(environ, start_response)
        environ[NOTES].route = rule
        start_response("200 OK", [*headers.items(), ("Content-Length", str(len(content))), NO_SNIFFING])
        return [content]


def _predict(here: Service, body: bytes, environ: "WSGIEnvironment") -> _Answer:
    picture = plain_picture(body, environ.get("CONTENT_TYPE", ""))
    if not picture:
        return _NOTHING
    with here.admission.prediction():
        model = here.serving()
        return predictions(here, model, read_digit(here, picture)[np.newaxis])[0], JSON


def _infer(here: Service, body: bytes, environ: "WSGIEnvironment") -> _Answer:
    with here.admission.prediction():
        return oip.inferred(here, here.serving(), body, environ.get(_JSON_LENGTH))


def is_open(settings: Settings) -> bool:
    """Tell whether requests may be answered without Flask, which alone asks for keys and knows of other sites."""
    return not (settings.api_key_file or settings.cors_origins)


def predictions(here: Service, model: Serving, digits: Images, *, waited: bool = False) -> list[bytes]:
    """Return the answer, JSON, to a plain request for each of `digits`, uint8 [N, 28, 28], of one run of the model."""
    return [
        answers.text(answers.single(probabilities, digit, model.manifest, _NOTHING_ASKED_FOR))
        for probabilities, digit in zip(run(here, model, digits, waited=waited), digits, strict=True)
    ]


def plain_length(environ: "WSGIEnvironment") -> int:
    """Return how many bytes the body of a plain request has, 0 if the request is none."""
    if environ["REQUEST_METHOD"] != "POST" or environ["QUERY_STRING"]:
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
