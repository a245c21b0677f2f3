"""The interface, described: `GET /openapi.json` for programs, `GET /docs` for people.

`openapi.json` beside this file says what each operation takes and answers. Here it gets the limits of the settings and
the errors: those that any request may meet, and by name those of an operation. The files of `/docs` are ours and those
of Swagger UI in the package flask-swagger-ui, whose own page has inline scripts, which our policy forbids.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

from service import __version__, errors
from service.http import pages
from service.http.access import OPEN
from service.http.logs import REQUEST_ID_HEADER
from service.http.state import service
from service.settings import Settings

Json = dict[str, Any]

_HERE = Path(__file__).parent
_OURS, _THEIRS = _HERE / "static_docs", Path(str(files("flask_swagger_ui"))) / "dist"
ASSETS = {"docs.css": _OURS, "docs.js": _OURS, "swagger-ui.css": _THEIRS, "swagger-ui-bundle.js": _THEIRS}

_WRITTEN = "digits.openapi"
_ANYWHERE: tuple[type[errors.DigitsError], ...] = (
    errors.MalformedRequest,
    errors.UnsupportedTransferCoding,
    errors.Unauthorized,
    errors.SlowRequest,
    errors.TooLarge,
    errors.UriTooLong,
    errors.UnsupportedMediaType,
    errors.ExpectationFailed,
    errors.HeadersTooLarge,
    errors.TooBusy,
    errors.DigitsError,
)
_KEYS: list[Json] = [{}, {"bearer": []}, {"header": []}, {"password": []}]  # {}: where no keys are set

blueprint = Blueprint("docs", __name__)
blueprint.after_request(pages.secure)


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Describe every operation of the service, as OpenAPI 3.1."""
    kept = current_app.extensions
    if _WRITTEN not in kept:
        kept[_WRITTEN] = json.dumps(document(service().settings))
    response = Response(kept[_WRITTEN], mimetype="application/json")
    response.add_etag()
    return response.make_conditional(request)


@blueprint.get("/docs")
def page() -> ResponseReturnValue:
    """Show the same to people, who can try each operation there."""
    return send_from_directory(_OURS, "index.html")


@blueprint.get("/docs/<filename>")
def asset(filename: str) -> ResponseReturnValue:
    """Give a file of that page."""
    if filename not in ASSETS:
        raise errors.UnknownRoute("The page has no such file: GET /docs names those that it has.")
    return send_from_directory(ASSETS[filename], filename)


def document(settings: Settings) -> Json:
    """Return the document for a service with these settings."""
    kinds = {kind.code: kind for kind in errors.kinds()}
    rows = [f"| {kind.status} | `{code}` | {_meaning(kind)} |" for code, kind in kinds.items()]
    made: Json = _filled(
        json.loads((_HERE / "openapi.json").read_text(encoding="utf-8")),
        {
            "errors": "\n".join(["| status | code | when |", "|---|---|---|", *sorted(rows)]),
            "version": __version__,
            "model_name": settings.model_name,
            "max_batch": settings.max_batch,
            "max_upload_bytes": f"{settings.max_upload_bytes:,}",
            "max_pixels": f"{settings.max_pixels:,}",
        },
    )
    parts = made["components"]
    parts["responses"] = {}
    parts["schemas"]["Error"] = _error_schema(list(kinds))
    paths = made["paths"]
    for path, operations in paths.items():
        if "same_as" in operations:
            other = json.loads(json.dumps(paths[operations["same_as"]]))
            operations = paths[path] = {
                method: operation | {"operationId": f"{operation['operationId']}_of_version"}
                for method, operation in other.items()
            }
    for path, operations in paths.items():
        for operation in operations.values():
            _complete(path, operation, kinds, parts["responses"])
    return made


def _complete(path: str, operation: Json, kinds: dict[str, type[errors.DigitsError]], responses: Json) -> None:
    """Add what every operation has: parameters of the path, the request's id, keys, errors, headers of an answer."""
    names = [name for name in ("name", "version") if f"{{{name}}}" in path]
    references = [{"$ref": f"#/components/parameters/{name}"} for name in (*names, REQUEST_ID_HEADER)]
    operation["parameters"] = references + operation.get("parameters", [])
    met = [*_ANYWHERE, *(kinds[code] for code in operation.pop("errors"))]
    if path in OPEN:
        met.remove(errors.Unauthorized)
    else:
        operation["security"] = _KEYS
    for answer in operation["responses"].values():
        answer["headers"] = _headers(REQUEST_ID_HEADER, "X-Content-Type-Options") | answer.get("headers", {})
    for status in sorted({kind.status for kind in met}):
        group = [kind for kind in met if kind.status == status]
        name = "_or_".join(kind.code for kind in group)
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
        own = [header for kind in group for header, _ in kind.headers]
        responses[name] = {
            "description": " ".join(f"`{kind.code}`: {_meaning(kind)}" for kind in group),
            "headers": _headers(REQUEST_ID_HEADER, "X-Content-Type-Options", *own),
            "content": {"application/json": {"schema": _error_schema([kind.code for kind in group])}},
        }


def _filled(node: Any, found: Json) -> Any:
    """Return a part of the document with the values of its `{names}`."""
    if isinstance(node, dict):
        return {name: _filled(part, found) for name, part in node.items()}
    if isinstance(node, list):
        return [_filled(part, found) for part in node]
    if isinstance(node, str):
        for name, value in found.items():
            if node == f"{{{name}}}":
                return value
            node = node.replace(f"{{{name}}}", str(value))
    return node


def _meaning(kind: type[errors.DigitsError]) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _error_schema(codes: list[str]) -> Json:
    return {
        "type": "object",
        "required": ["error", "code"],
        "properties": {
            "error": {"type": "string", "description": "A sentence that says what to do."},
            "code": {"enum": codes, "description": "For programs."},
        },
    }
