"""The page to write on, at `GET /`: plain files, which ask `POST /predict` as any other client does."""

from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, request, send_from_directory
from flask.typing import ResponseReturnValue
from markupsafe import escape

from service.http.predict import model_of
from service.http.state import service

STATIC = Path(__file__).parent / "static"

blueprint = Blueprint("pages", __name__, static_folder=str(STATIC), static_url_path="/static")

# Everything comes from the service itself and nothing else is let in or out. `data:` is the picture that the model saw.
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
    """Answer with the page, or with the routes as JSON.

    Browsers name text/html; curl and HTTP libraries take anything. So only who names HTML gets the page.
    """
    html = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    response = page(STATIC) if html else jsonify(_index())
    response.vary.add("Accept")
    return response


def page(directory: Path) -> Response:
    """Return the page in a directory. Below a path prefix it says where it is, for its links do not know."""
    if not request.root_path:
        return send_from_directory(directory, "index.html")
    text = (directory / "index.html").read_text(encoding="utf-8")
    base = f'<base href="{escape(request.root_path + request.path)}">'
    response = Response(text.replace("<head>", f"<head>\n  {base}", 1), mimetype="text/html")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace("base-uri 'none'", "base-uri 'self'")
    response.vary.add("X-Forwarded-Prefix")
    response.add_etag()
    response.make_conditional(request)
    return response


def _index() -> dict[str, object]:
    model = service().store.serving
    rules = sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule)
    routes = [
        f"{method} {rule.rule}" for rule in rules for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    return {
        "service": "handwritten digits",
        "status": "alive",  # KServe's client asks for it here when it speaks the first protocol
        **(model_of(model.manifest) if model else {"model": None}),
        "routes": routes,
    }


@blueprint.after_request
def secure(response: Response) -> Response:
    """Add the headers that every page has, and every file of one."""
    response.headers.update({name: value for name, value in _HEADERS.items() if name not in response.headers})
    return response
