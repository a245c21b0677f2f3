"""Pages: the one to draw on at `GET /`, which calls `POST /predict` as any client does, and the documentation.

`openapi.json` beside this file is a template for the limits in the settings. `/docs` is our own page with the files of
Swagger UI in flask-swagger-ui, whose page has inline scripts, which our policy forbids.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, request, send_from_directory
from flask.typing import ResponseReturnValue
from markupsafe import escape

from service import __version__, errors
from service.http.answering import service
from service.http.corrections import ROUTE as CORRECTIONS
from service.http.predict import model_of
from service.settings import Settings

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_DOCS, _SWAGGER = _HERE / "static_docs", Path(str(files("flask_swagger_ui"))) / "dist"
DOCS_FILES = {"docs.css": _DOCS, "docs.js": _DOCS, "swagger-ui.css": _SWAGGER, "swagger-ui-bundle.js": _SWAGGER}

blueprint = Blueprint("pages", __name__, static_folder=str(STATIC), static_url_path="/static")

# Everything comes from the service itself. `data:` is the picture that the model saw.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
}


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Return the page to clients that accept text/html by name, as browsers do, or the routes as JSON."""
    html = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    response = page(STATIC) if html else jsonify(_index())
    response.vary.add("Accept")
    return response


def _index() -> dict[str, object]:
    here = service()
    model = here.store.serving
    off = () if here.settings.corrections_dir else (CORRECTIONS,)
    served = sorted((r.rule, (r.methods or set()) - {"HEAD", "OPTIONS"}) for r in current_app.url_map.iter_rules())
    routes = [f"{method} {rule}" for rule, methods in served if rule not in off for method in sorted(methods)]
    return {
        "service": "handwritten digits",
        "status": "alive",  # KServe's client checks it here with /v1
        **(model_of(model.manifest) if model else {"model": None}),
        "routes": routes,
    }


def page(directory: Path) -> Response:
    """Return the page in a directory, with its path prefix and whether corrections are kept."""
    corrections = service().settings.corrections_dir
    if not request.root_path and not corrections:
        return send_from_directory(directory, "index.html")
    text = (directory / "index.html").read_text(encoding="utf-8")
    if corrections:
        text = text.replace("<body>", "<body data-corrections>", 1)
    if not request.root_path:
        return _conditional(text, "text/html")
    base = f'<base href="{escape(request.root_path + request.path)}">'
    response = _conditional(text.replace("<head>", f"<head>\n  {base}", 1), "text/html")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace("base-uri 'none'", "base-uri 'self'")
    response.vary.add("X-Forwarded-Prefix")
    return response


def _conditional(text: str, kind: str) -> Response:
    """Return a response that clients keep, and ask for again with its ETag."""
    response = Response(text, mimetype=kind)
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
def docs() -> ResponseReturnValue:
    return page(_DOCS)


@blueprint.get("/docs/<filename>")
def docs_file(filename: str) -> ResponseReturnValue:
    if filename not in DOCS_FILES:
        raise errors.UnknownRoute("The page has no such file: see GET /docs.")
    return send_from_directory(DOCS_FILES[filename], filename)


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    return _conditional(document(service().settings), "application/json")


@cache
def document(settings: Settings) -> str:
    """Return the document for a service with these settings, as JSON."""
    rows = sorted(f"| {kind.status} | `{kind.code}` | {kind.meaning()} |" for kind in errors.kinds())
    values = {
        "errors": "\n".join(["| status | code | when |", "|---|---|---|", *rows]),
        "service_version": __version__,
        "model_name": settings.model_name,
        "max_batch": settings.max_batch,
        "max_upload_bytes": f"{settings.max_upload_bytes:,}",
        "max_pixels": f"{settings.max_pixels:,}",
    }
    text = (_HERE / "openapi.json").read_text(encoding="utf-8")
    for name, value in values.items():  # alone in quotes, a number stays a number
        text = text.replace(f'"{{{name}}}"', json.dumps(value)).replace(f"{{{name}}}", str(value))
    return text


@blueprint.before_request
def ask_for_all() -> None:
    """Ignore what would be answered with a part of a file, or with 412 and a page."""
    for header in ("HTTP_RANGE", "HTTP_IF_MATCH"):
        request.environ.pop(header, None)


@blueprint.after_request
def secure(response: Response) -> Response:
    response.headers.pop("Accept-Ranges", None)
    response.headers.update({name: value for name, value in _HEADERS.items() if name not in response.headers})
    return response
