"""The files of the page: who gets them, their headers, and that they load nothing from other hosts."""

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from werkzeug.test import Client

from service.settings import Settings
from tests import door

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "service" / "http" / "static"
FILES = sorted(path.name for path in STATIC.iterdir())
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("*/*", "application/json"),
        (None, "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
    ],
)
def test_accept_html_gets_the_page(client: Client, accept: str | None, mimetype: str) -> None:
    response = client.get("/", headers={"Accept": accept} if accept else {}, buffered=True)
    assert (response.status_code, response.mimetype) == (200, mimetype)
    assert response.vary.as_set() == {"accept"}


def test_page_needs_no_model(tmp_path: Path) -> None:
    client = door.client_for(Settings(models_dir=tmp_path))
    assert "<canvas" in client.get("/", headers={"Accept": BROWSER}, buffered=True).text
    assert client.get("/").get_json()["model"] is None


@pytest.mark.parametrize("name", FILES)
def test_files_are_served_with_type_and_etag(client: Client, name: str) -> None:
    response = client.get(f"/static/{name}", buffered=True)
    assert response.status_code == 200
    assert response.mimetype.replace("application/java", "text/java") == TYPES[Path(name).suffix]
    assert response.data == (STATIC / name).read_bytes()
    assert response.cache_control.no_cache
    again = client.get(f"/static/{name}", headers={"If-None-Match": response.headers["ETag"]}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("header", [("Range", "bytes=999999-"), ("Range", "bytes=0-9"), ("If-Match", '"other"')])
@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/static/main.js", "/docs/docs.js"])
def test_a_file_is_sent_whole_or_not_at_all(client: Client, path: str, header: tuple[str, str]) -> None:
    response = client.get(path, headers=[header], buffered=True)
    assert response.status_code == 200
    assert response.data == client.get(path, buffered=True).data
    assert "Accept-Ranges" not in response.headers


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/static/missing.js"])
def test_headers_let_nothing_in_or_out(client: Client, path: str) -> None:
    headers = client.get(path, headers={"Accept": BROWSER}, buffered=True).headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' data: blob:"
    assert {policy.pop(name) for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy == dict.fromkeys(("default-src", "form-action", "base-uri", "frame-ancestors"), "'none'")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Permissions-Policy"].startswith("camera=(self)")


def test_other_routes_keep_their_headers(client: Client) -> None:
    assert "Content-Security-Policy" not in client.get("/livez").headers


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"])
def test_nothing_else_is_served(client: Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.get_json()["code"]) == (404, "not_found")


class Elements(HTMLParser):
    """What a page refers to, and what the content security policy would block in it."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.references += [given[name] for name in ("src", "href") if given.get(name)]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
        self.ids += [given["id"]] if "id" in given else []


@pytest.fixture(scope="module")
def elements() -> Elements:
    parser = Elements()
    parser.feed((STATIC / "index.html").read_text(encoding="utf-8"))
    return parser


def test_page_has_nothing_inline(elements: Elements) -> None:
    assert elements.inline == []


def test_page_refers_to_its_own_files_and_relatively(elements: Elements) -> None:
    """Relative links work below any path prefix."""
    assert {f"static/{name}" for name in FILES} | {"docs"} >= set(elements.references)
    imported = {name for path in STATIC.glob("*.js") for name in re.findall(r'from "\./(.+)"', path.read_text("utf-8"))}
    assert imported | {"main.js"} == {path.name for path in STATIC.glob("*.js")}
    addresses = [a for name in FILES for a in re.findall(r"https?://[^\"'\s]+", (STATIC / name).read_text("utf-8"))]
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_ids_are_unique_and_those_that_the_scripts_use_exist(elements: Elements) -> None:
    used = {name for path in STATIC.glob("*.js") for name in re.findall(r'element\("(.+?)"\)', path.read_text("utf-8"))}
    assert len(elements.ids) == len(set(elements.ids))
    assert used <= set(elements.ids)
    assert len(used) > 10


def test_files_are_in_the_package() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packaged = {
        path.name for pattern in setuptools["package-data"]["service.http"] for path in STATIC.parent.glob(pattern)
    }
    assert packaged >= set(FILES)
