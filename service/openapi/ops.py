"""The routes for those who run the service, and the pages."""

from collections.abc import Iterable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST

from service.api.pages import CONTENT_SECURITY_POLICY, STATIC
from service.errors import NotReady, UnknownRoute
from service.openapi.parts import JSON, Json, Operation, answer, parameter, reference
from service.swagger import ASSETS

_TEXT: Json = {"type": "string"}
_KINDS = ("text/html", "text/javascript", "text/css", "image/svg+xml")
_POLICY: Json = {"Content-Security-Policy": {"required": True, "schema": {"const": CONTENT_SECURITY_POLICY}}}
_TAG: Json = {"ETag": {"description": "Changes with the content.", "required": True, "schema": _TEXT}}
_UNCHANGED = answer("It has not changed", headers=_TAG)
_KNOWN = parameter("header", "If-None-Match", "The `ETag` of what is known already.", _TEXT)


def operations() -> dict[str, Operation]:
    """Return the operations by the endpoint of their route."""
    metrics = {kind.partition(";")[0]: _TEXT for kind in (CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_LATEST)}
    ready = answer("A model serves", {JSON: reference("Ready")})
    openapi = answer("The document", {JSON: {"type": "object"}}, headers={**_POLICY, **_TAG})
    page = answer("The page", {"text/html": _TEXT}, headers={**_POLICY, **_TAG})
    return {
        "ops.livez": Operation("operations", {"200": answer("It lives", {JSON: reference("Alive")})}),
        "ops.readyz": Operation("operations", {"200": ready}, errors=(NotReady,)),
        "ops.metrics": Operation("operations", {"200": answer("The metrics", metrics)}),
        "pages.index": Operation("pages", {"200": _index(), "304": _UNCHANGED}, parameters=(_KNOWN,)),
        "pages.static": _files(sorted(path.name for path in STATIC.iterdir()), "Give a file of the page"),
        "docs.openapi": Operation("pages", {"200": openapi, "304": _UNCHANGED}, parameters=(_KNOWN,)),
        "docs.page": Operation("pages", {"200": page, "304": _UNCHANGED}, parameters=(_KNOWN,)),
        "docs.asset": _files(ASSETS),
    }


def _index() -> Json:
    vary: Json = {"Vary": {"required": True, "schema": _TEXT}}
    content = {JSON: reference("Index"), "text/html": _TEXT}
    return answer("The page for whoever names `text/html`, else the routes", content, headers={**_POLICY, **vary})


def _files(names: Iterable[str], summary: str = "") -> Operation:
    name = parameter("path", "filename", "Which file.", {"enum": list(names)}, required=True)
    found = answer("The file", dict.fromkeys(_KINDS, _TEXT), headers={**_POLICY, **_TAG})
    return Operation(
        tag="pages",
        summary=summary,
        answers={"200": found, "304": _UNCHANGED},
        errors=(UnknownRoute,),
        parameters=(name, _KNOWN),
    )
