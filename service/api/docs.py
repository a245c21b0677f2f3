"""The interface, described: `GET /openapi.json` for programs, `GET /docs` for people."""

import json

from flask import Blueprint, Response, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

from service.api import pages, service
from service.errors import UnknownRoute
from service.openapi import document
from service.swagger import ASSETS, PAGE

_WRITTEN = "digits.openapi"

blueprint = Blueprint("docs", __name__)
blueprint.after_request(pages.secure)


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Describe every operation of the service, as OpenAPI 3.1."""
    response = Response(_written(), mimetype="application/json")
    response.add_etag()
    return response.make_conditional(request)


@blueprint.get("/docs")
def page() -> ResponseReturnValue:
    """Show the same to people, who can try each operation there."""
    return send_from_directory(PAGE.parent, PAGE.name)


@blueprint.get("/docs/<filename>")
def asset(filename: str) -> ResponseReturnValue:
    """Give a file of that page."""
    if filename not in ASSETS:
        raise UnknownRoute("The page has no such file: GET /docs names those that it has.")
    return send_from_directory(ASSETS[filename], filename)


def _written() -> str:
    """Return the document, made once: routes and settings do not change."""
    kept = current_app.extensions
    if _WRITTEN not in kept:
        made = document(current_app.url_map.iter_rules(), current_app.view_functions, service().settings)
        kept[_WRITTEN] = json.dumps(made)
    text: str = kept[_WRITTEN]
    return text
