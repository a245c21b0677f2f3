"""The files of the page on the interface, by the name under which they are served: ours, and those of Swagger UI.

Swagger UI comes out of the package flask-swagger-ui. Its files alone are used: the page that the package would make has
inline scripts, which the policy of our pages forbids.
"""

from importlib.resources import files
from pathlib import Path

_OURS = Path(__file__).parent / "docs"
_THEIRS = Path(str(files("flask_swagger_ui"))) / "dist"

PAGE = _OURS / "index.html"
ASSETS = {
    "docs.css": _OURS,
    "docs.js": _OURS,
    "swagger-ui.css": _THEIRS,
    "swagger-ui-bundle.js": _THEIRS,
}
