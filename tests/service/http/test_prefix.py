"""A path prefix, stripped by the proxy or not: routes, and links of the pages."""

import re
from hashlib import sha256
from urllib.parse import urljoin

import pytest
from werkzeug.test import Client

from service.http.app import open_service
from service.http.front import Front
from service.settings import Settings
from tests import door, drawing

HTML = {"Accept": "text/html"}


def client_with(settings: Settings, **more: object) -> Client:
    given = {"models_dir": settings.models_dir, "provider": "cpu", **more}
    return door.client_of(Front(open_service(Settings(**given))))  # type: ignore[arg-type]


@pytest.mark.parametrize("stripped", [True, False])
@pytest.mark.parametrize("prefix", ["/ml/digits", "/ml/digits/", "/d", "/"])
def test_every_route_works(settings: Settings, prefix: str, stripped: bool) -> None:
    client = client_with(settings, root_path=prefix)
    before = "" if stripped else prefix.rstrip("/")
    for path in ("/", "/livez", "/readyz", "/docs", "/openapi.json", "/static/main.js", "/metrics", "/v1/models"):
        assert client.get(before + path).status_code == 200, path
    answer = client.post(before + "/predict", data=drawing.png(7), content_type="image/png")
    assert answer.get_json()["digit"] == 7
    assert client.get(before + "/none").status_code == 404


@pytest.mark.parametrize("address", ["/ml/digits", "/ml/digits/", "/ml/digits/docs"])
@pytest.mark.parametrize("stripped", [True, False])
def test_links_of_a_page_are_below_the_prefix(settings: Settings, address: str, stripped: bool) -> None:
    client = client_with(settings, root_path="/ml/digits")
    asked = (address.removeprefix("/ml/digits") or "/") if stripped else address
    page = client.get(asked, headers=HTML)
    text = page.get_data(as_text=True)
    base = re.search('<base href="(.*?)">', text)
    assert base
    links = re.findall(' (?:href|src)="(.*?)"', text.replace(base[0], ""))
    assert len(links) >= 4
    assert "base-uri 'self'" in page.headers["Content-Security-Policy"]
    for link in links:
        found = urljoin(urljoin(address, base[1]), link)
        assert found.startswith("/ml/digits/"), link
        assert client.get(found).status_code == 200, found
    again = client.get(asked, headers={**HTML, "If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")


def test_without_a_prefix_a_page_is_the_file(client: Client) -> None:
    page = client.get("/", headers=HTML, buffered=True)
    assert "<base" not in page.get_data(as_text=True)
    assert "base-uri 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("sent", "base"),
    [
        ("/ml", "/ml/"),
        ("/ml/", "/ml/"),
        ("/theirs, /ml", "/ml/"),
        ("//evil.example", "/mine/"),
        ('/"><script>', "/mine/"),
        ("ml", "/mine/"),
        ("https://evil.example/", "/mine/"),
    ],
)
def test_a_trusted_proxy_may_set_the_prefix(settings: Settings, sent: str, base: str) -> None:
    headers = {**HTML, "X-Forwarded-Prefix": sent}
    trusting = client_with(settings, trusted_proxies=1, root_path="/mine")
    assert f'<base href="{base}">' in trusting.get("/", headers=headers).get_data(as_text=True)
    assert "X-Forwarded-Prefix" in trusting.get("/", headers=headers).headers["Vary"]
    other = client_with(settings)
    assert "<base" not in other.get("/", headers=headers).get_data(as_text=True), "nobody else may"


def test_keys_are_required_below_a_prefix_too(settings: Settings) -> None:
    client = client_with(settings, root_path="/ml", api_key_file=(sha256(b"a-key-of-enough-letters").digest(),))
    for path in ("/ml/metrics", "/metrics", "/ml", "/ml/v2"):
        assert client.get(path).status_code == 401
    assert client.get("/ml/livez").status_code == client.get("/livez").status_code == 200
    assert client.get("/mlivez").status_code == 401
