"""The Flask application: every route. `flask --app service.http.app run` serves it without front.py.

Only front.py has API keys, CORS, deadlines, request IDs, the access log and request counts.
"""

import logging
import os
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

from a2wsgi.wsgi import build_environ
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from service.errors import DigitsError, MalformedRequest, SettingsError, TooLarge, UnknownRoute, WrongMethod
from service.http import answering, corrections, number, oip, pages, predict, tensors
from service.http.answering import DEFECT, EXTENSION, NO_SNIFFING, Read, Request, Service, problem, service
from service.http.logs import current
from service.http.metrics import Metrics
from service.inference.store import ModelStore
from service.settings import Settings

log = logging.getLogger(__name__)

#: The prediction routes, which front.py answers itself, and what parses their requests.
PREDICTIONS: dict[str, Read] = {
    "/predict": predict.read,
    "/predict/batch": predict.read_batch,
    corrections.ROUTE: corrections.read,
    "/predict/number": number.read,
    "/v2/models/<name>/infer": tensors.read,
    "/v2/models/<name>/versions/<version>/infer": tensors.read,
    "/v1/models/<name>:predict": tensors.read_instances,
}
_OF_STATUS: dict[int, tuple[type[DigitsError], str]] = {
    400: (MalformedRequest, "The request is malformed: compare it with GET /docs."),
    404: (UnknownRoute, "There is no such path: GET / lists the routes."),
    405: (WrongMethod, "This path does not have this method: the `Allow` header lists its methods."),
    413: (TooLarge, "The request is too large: send less."),
}


class Name(BaseConverter):
    """A part of a path; ends before the `:` of `/v1/models/NAME:predict`."""

    regex = "[^/:]+"


def create_app(here: Service | None = None) -> Flask:
    """Return the application for a service; without one, for the settings in the environment.

    SettingsError is raised for a bad value, and for API keys, which only front.py checks.
    """
    if here is None:
        here = open_service(Settings.from_environ(os.environ))
        if here.settings.api_key_file:
            raise SettingsError("DIGITS_API_KEY_FILE is set, but Flask alone checks no keys: run `python -m service`.")
    app = Flask("service.http", static_folder=None)
    app.extensions[EXTENSION] = here
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = here.settings.max_upload_bytes
    app.url_map.converters["default"] = Name
    for blueprint in (oip.blueprint, oip.older, pages.blueprint):
        app.register_blueprint(blueprint)
    for rule, read in PREDICTIONS.items():
        app.add_url_rule(rule, endpoint=rule, view_func=_view(read), methods=["POST"])
    for view in (livez, readyz, metrics):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    app.register_error_handler(Exception, _rendered)
    app.after_request(_secure)
    return app


def livez() -> ResponseReturnValue:
    return {"status": "alive"}


def readyz() -> ResponseReturnValue:
    model = service().ready()
    engine = {"provider": model.engine.provider, "file": model.engine.file}
    return {"status": "ready", **predict.model_of(model.manifest), **engine}


def metrics() -> ResponseReturnValue:
    """Return the metrics of all workers as Prometheus text, or as OpenMetrics if accepted."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(service().metrics), content_type=content_type)


def answered(app: Flask, scope: dict[str, Any], content: bytes) -> answering.Response:
    """Return the application's answer to an ASGI request whose body has been read and unpacked."""
    scope = {**scope, "path": scope["root_path"] + scope["path"]}  # as ASGI has it
    environ: Any = build_environ(scope, BytesIO(content))  # type: ignore[arg-type]
    for framing in ("HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"):
        environ.pop(framing, None)
    environ["CONTENT_LENGTH"] = str(len(content))
    answer = Response.from_app(app, environ, buffered=True)
    answer.headers.remove("Date")  # uvicorn adds it
    if body := answer.get_data():  # to HEAD there is none, but its length
        answer.headers.remove("Content-Length")  # front.py adds it
    return answering.Response(body, tuple(answer.headers), answer.status_code)


def open_service(settings: Settings, counts: Metrics | None = None) -> Service:
    """Return a service with its model open, or without one if none can be loaded yet."""
    counts = counts or Metrics()
    here = Service(settings, ModelStore(settings, counts.model), counts)
    here.store.refresh()
    if here.store.serving is None:
        log.warning("No model serves yet. %s The models directory is %s.", here.store.reason, settings.models_dir)
    return here


def _view(read: Read) -> Callable[..., ResponseReturnValue]:
    def view(**names: str) -> ResponseReturnValue:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.get_data(cache=False), headers, request.query_string.decode("latin-1"))
        try:
            return _of_ours(service().respond(read, asked, **names))
        finally:
            service().metrics.flush()

    return view


def _of_ours(answer: answering.Response) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))


def _rendered(error: Exception) -> ResponseReturnValue:
    """Render an error of ours, one of Flask or Werkzeug with its headers (`Allow`), or a defect."""
    headers: list[tuple[str, str]] = []
    if isinstance(error, HTTPException):
        if error.code is None or error.code < 400:
            return error
        _, *headers = error.get_headers()  # the first is the content type
        error = _of_http(error.code, error)
    elif not isinstance(error, DigitsError):
        log.error("A request failed", exc_info=error)
        error = DEFECT
    if notes := current.get():
        notes.code = error.code
    response = _of_ours(problem(error))
    response.headers.extend(headers)
    return response


def _of_http(status: int, error: HTTPException) -> DigitsError:
    if status in _OF_STATUS:
        kind, message = _OF_STATUS[status]
        return kind(message)
    ours = DigitsError((error.description or error.name).rstrip(".") + ".")
    ours.status, ours.code = status, re.sub(r"\W+", "_", error.name.lower())
    return ours


def _secure(response: Response) -> Response:
    response.headers.set(*NO_SNIFFING)
    return response
