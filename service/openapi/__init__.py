"""The interface of the service as an OpenAPI 3.1 document, made from the routes and from what they are made of.

Paths, methods and summaries come from the routes, errors from their tree, limits from the settings, names and shapes
from the contract. What no code says stands beside this file, by the endpoint of its route.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.routing import Rule

from service import __version__
from service.access import OPEN
from service.errors import Unauthorized
from service.logs import REQUEST_ID_HEADER
from service.openapi import oip, ops, predict, schemas
from service.openapi.parts import HEADERS, Json, Operation, error_references, error_responses, every_problem, parameter
from service.settings import Settings

_TAGS = {
    "predict": "A picture in, a digit out.",
    "protocol": "Version 2 of the Open Inference Protocol, as clients of Triton, KServe and MLServer speak it.",
    "operations": "For those who run the service.",
    "pages": "For people.",
}
_KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic", "description": "The key as the password, of whatever user."},
}
_NOT_SHOWN = {"HEAD", "OPTIONS"}  # HTTP says what they do

View = Callable[..., Any]


def document(rules: Iterable[Rule], views: Mapping[str, View], settings: Settings) -> Json:
    """Return the document for these routes; `views` are their functions by endpoint."""
    operations = _guarded({**predict.operations(settings), **oip.operations(settings), **ops.operations()}, settings)
    return {
        "openapi": "3.1.1",
        "info": _info(),
        "servers": [{"url": "./"}],  # whatever path of a proxy the document is fetched from
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": _paths(operations, list(rules), views),
        "components": {
            "schemas": {**schemas.of_predictions(), **schemas.of_protocol(settings), **schemas.of_operations()},
            "parameters": _parameters(settings),
            "headers": HEADERS,
            "responses": error_responses(operations.values()),
            **({"securitySchemes": _KEYS} if settings.api_key_file else {}),
        },
    }


def _guarded(operations: Mapping[str, Operation], settings: Settings) -> dict[str, Operation]:
    """Let each operation that demands a key, where keys are set, say so."""
    if not settings.api_key_file:
        return dict(operations)
    return {
        endpoint: operation
        if endpoint in OPEN
        else replace(operation, errors=(*operation.errors, Unauthorized), keys=tuple(_KEYS))
        for endpoint, operation in operations.items()
    }


def _info() -> Json:
    rows = [f"| {problem.status} | `{problem.code}` | {problem.meaning} |" for problem in every_problem()]
    table = "\n".join(["| status | code | when |", "|---|---|---|", *rows])
    return {
        "title": "Digits",
        "version": __version__,
        "summary": "Reads handwritten digits.",
        "description": "Every error, on every route, is a sentence that says what to do and a code for programs:\n\n"
        f"{table}\n\nWhere a GET is described, HEAD is answered too.",
        "license": {"name": "MIT", "identifier": "MIT"},
    }


def _paths(operations: Mapping[str, Operation], rules: list[Rule], views: Mapping[str, View]) -> Json:
    paths: Json = {}
    for endpoint, operation in operations.items():
        for rule in sorted((rule for rule in rules if rule.endpoint == endpoint), key=lambda rule: rule.rule):
            path = paths.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
            for method in sorted((rule.methods or set()) - _NOT_SHOWN):
                path[method.lower()] = _written(operation, rule, views[endpoint])
    return paths


def _written(operation: Operation, rule: Rule, view: View) -> Json:
    summary = (operation.summary or inspect.getdoc(view) or "").partition("\n")[0].rstrip(".")
    named = [name for name in ("name", "version") if name in rule.arguments]
    references = [{"$ref": f"#/components/parameters/{name}"} for name in (*named, REQUEST_ID_HEADER)]
    body = {"requestBody": operation.body} if operation.body else {}
    security: Json = {"security": [{name: []} for name in operation.keys]} if operation.keys else {}
    return {
        "tags": [operation.tag],
        "operationId": rule.endpoint.partition(".")[2] + ("_of_version" if "version" in rule.arguments else ""),
        "summary": summary,
        **({"description": operation.about} if operation.about else {}),
        "parameters": [*references, *operation.parameters],
        **body,
        **security,
        "responses": {**operation.answers, **error_references(operation)},
    }


def _parameters(settings: Settings) -> Json:
    version: Json = {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}
    return {
        "name": parameter("path", "name", "The model.", {"enum": [settings.model_name]}, required=True),
        "version": parameter("path", "version", "The version that serves.", version, required=True, example="1"),
        REQUEST_ID_HEADER: parameter(
            "header",
            REQUEST_ID_HEADER,
            "A name for the request: letters, digits, `.`, `_` and `-`, at most 128. Any other is replaced.",
            {"type": "string"},
        ),
    }
