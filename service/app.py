"""The application factory: settings in, a Flask application out. Nothing expensive happens at import."""

import logging
import os
import re
from io import BytesIO
from typing import IO, Any

from flask import Flask, Request, Response, jsonify, request
from flask.typing import ResponseReturnValue
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from service import answers, cors
from service.access import demand_key
from service.admission import Admission
from service.api import EXTENSION, NO_SNIFFING, Service, docs, oip, ops, pages, predict, refused
from service.api.direct import FAILED, Direct, is_open
from service.api.reading import make_batcher
from service.errors import (
    DigitsError,
    MalformedRequest,
    SlowRequest,
    TooLarge,
    UnknownRoute,
    UnsupportedMediaType,
    WrongMethod,
)
from service.inference.store import ModelStore, model_store
from service.metrics import Metrics
from service.observe import REQUEST, Observed
from service.settings import Settings

log = logging.getLogger(__name__)

_PARTS_BESIDE_PICTURES = 8
_MAX_FIELD_BYTES = 64 << 10  # no route reads a form field that is not a file

_OF_STATUS: dict[int, tuple[type[DigitsError], str]] = {
    400: (MalformedRequest, "The request is malformed: compare it with the documented form."),
    404: (UnknownRoute, "Nothing is served at this path: GET / lists the routes."),
    405: (WrongMethod, "This path does not take this method: the `Allow` header lists those that it takes."),
    408: (SlowRequest, "The request took too long to arrive: send it again."),
    413: (TooLarge, "The request is too large: send less at a time."),
    415: (UnsupportedMediaType, "The content type is not read here: see the documentation of the route."),
}


class BoundedRequest(Request):
    """A request whose uploads never touch the disk; `max_upload_bytes` bounds what they take."""

    def __init__(self, environ: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Let whoever observes the application see the request, and with it the route that was found."""
        super().__init__(environ, *args, **kwargs)
        environ[REQUEST] = self

    def get_data(self, *args: Any, **kwargs: Any) -> Any:
        """Return the body. Werkzeug would cut a chunked one off at the limit without a word."""
        content = super().get_data(*args, **kwargs)
        if self.content_length is None and self.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
        return content

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        return BytesIO()


class DigitsFlask(Flask):
    """Flask with our requests and with JSON in the order in which it was written."""

    request_class = BoundedRequest


def create_app(
    settings: Settings | None = None, store: ModelStore | None = None, metrics: Metrics | None = None
) -> Flask:
    """Return the application, with the model open that serves first; it starts without one where there is none.

    Without settings it is configured by the environment; without metrics it counts for this process alone.

    Raises:
        SettingsError: a variable of the environment has a value that is not allowed.
    """
    settings = settings or Settings.from_environ(os.environ)
    store = store or model_store(settings)
    metrics = metrics or Metrics()
    store.report = metrics.model
    store.refresh()
    if store.serving is None:
        log.warning("No model serves yet. %s Models are looked for in %s.", store.reason, settings.models_dir)
    app = DigitsFlask("service", static_folder=None)
    admission = Admission(settings.max_in_flight, settings.threads)
    here = Service(settings, store, metrics, admission, make_batcher(settings, metrics))
    app.extensions[EXTENSION] = here
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        MAX_FORM_PARTS=settings.max_batch + _PARTS_BESIDE_PICTURES,
        MAX_FORM_MEMORY_SIZE=_MAX_FIELD_BYTES,
    )
    app.register_blueprint(predict.blueprint)
    app.register_blueprint(oip.blueprint)
    app.register_blueprint(ops.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(docs.blueprint)
    _render_errors(app)
    demand_key(app, settings.api_key_file)
    app.before_request(_raise_what_failed)
    app.before_request(_refuse_compressed)
    cors.allow(app, settings.cors_origins)
    app.after_request(_secure)
    if is_open(settings):
        app.wsgi_app = Direct(app.wsgi_app, here)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, settings.trusted_proxies, 0)  # type: ignore[method-assign]
    app.wsgi_app = Observed(app.wsgi_app, metrics)  # type: ignore[method-assign]
    return app


def _render_errors(app: Flask) -> None:
    """Give every error one shape, whoever raised it."""
    app.register_error_handler(DigitsError, _of_ours)
    app.register_error_handler(HTTPException, _of_http)
    for cut_off in (ParseException, NoMoreData):
        app.register_error_handler(cut_off, _of_a_broken_body)
    app.register_error_handler(Exception, _of_a_defect)


def _of_ours(error: DigitsError) -> ResponseReturnValue:
    refused(error.code)
    return jsonify(answers.error(error)), error.status, error.headers


def _of_http(error: HTTPException) -> ResponseReturnValue:
    """Render what Flask and Werkzeug raise, their headers kept (`Allow`)."""
    if error.code is None or error.code < 400:
        return error
    if error.code in _OF_STATUS:
        kind, message = _OF_STATUS[error.code]
        body = answers.error(kind(message))
    else:
        sentence = (error.description or error.name).rstrip(".") + "."
        body = {"error": sentence, "code": re.sub(r"\W+", "_", error.name.lower())}
    refused(body["code"])
    response = jsonify(body)
    response.status_code = error.code
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _of_a_broken_body(error: Exception) -> ResponseReturnValue:
    log.debug("The body broke off", exc_info=error)
    return _of_ours(MalformedRequest("The body ends early or its chunks are malformed: send it again."))


def _of_a_defect(error: Exception) -> ResponseReturnValue:
    log.error("A request failed", exc_info=error)
    return _of_ours(DigitsError("The service failed at this request; its log says why. Report it."))


def _raise_what_failed() -> None:
    """Raise the error with which a request failed before it came to Flask, so that one place renders all errors."""
    error = request.environ.get(FAILED)
    if error is not None:
        raise error


def _refuse_compressed() -> None:
    """Refuse a body that would have to be unpacked: nothing bounds what comes out of a few bytes.

    Raises:
        UnsupportedMediaType: the body has a content encoding.
    """
    if request.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not read here: send it without `Content-Encoding`.")


def _secure(response: Response) -> Response:
    response.headers.set(*NO_SNIFFING)
    return response
