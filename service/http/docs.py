"""API documentation: `GET /openapi.json` and the page `GET /docs`.

`openapi.json` beside this file is a template for the limits in the settings. `/docs` is our own page with the files of
Swagger UI in flask-swagger-ui, whose page has inline scripts, which our policy forbids.
"""

import json
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

from service import __version__, errors
from service.http import pages
from service.http.answering import service
from service.settings import Settings

_HERE = Path(__file__).parent
_OURS, _THEIRS = _HERE / "static_docs", Path(str(files("flask_swagger_ui"))) / "dist"
ASSETS = {"docs.css": _OURS, "docs.js": _OURS, "swagger-ui.css": _THEIRS, "swagger-ui-bundle.js": _THEIRS}

_WRITTEN = "digits.openapi"

blueprint = Blueprint("docs", __name__)
blueprint.after_request(pages.secure)


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    kept = current_app.extensions
    if _WRITTEN not in kept:
        kept[_WRITTEN] = document(service().settings)
    response = Response(kept[_WRITTEN], mimetype="application/json")
    response.add_etag()
    return response.make_conditional(request)


@blueprint.get("/docs")
def page() -> ResponseReturnValue:
    return pages.page(_OURS)


@blueprint.get("/docs/<filename>")
def asset(filename: str) -> ResponseReturnValue:
    if filename not in ASSETS:
        raise errors.UnknownRoute("The page has no such file: see GET /docs.")
    return send_from_directory(ASSETS[filename], filename)


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
