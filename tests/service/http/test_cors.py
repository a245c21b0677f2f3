"""CORS: pages of other origins may read answers only if their origin is listed."""

from dataclasses import replace

import pytest
from werkzeug.test import Client

from service.errors import SettingsError
from service.settings import Settings
from tests import door

SITE = "https://example.org"


def client_of(settings: Settings, *origins: str) -> Client:
    return door.client_for(replace(settings, cors_origins=origins))


def allowed(client: Client, origin: str, method: str = "GET") -> str | None:
    return client.open("/predict", method=method, headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")


def test_only_listed_origins_are_allowed(settings: Settings) -> None:
    client = client_of(settings, SITE, "http://localhost:3000")
    assert allowed(client, SITE) == SITE
    assert allowed(client, "http://localhost:3000") == "http://localhost:3000"
    for other in ("http://example.org", "https://example.org:444", "https://a.example.org", "null", ""):
        assert allowed(client, other) is None
    assert "Origin" in client.get("/livez").headers["Vary"]
    assert client.get("/livez", headers={"Origin": SITE}).headers["Access-Control-Allow-Credentials"] == "true"
    other = client.get("/livez", headers={"Origin": "https://a.example.org"}).headers
    assert not [name for name, _ in other if name.startswith("Access-Control")]


def test_a_star_allows_every_origin(settings: Settings) -> None:
    client = client_of(settings, "*")
    assert allowed(client, SITE) == "*"
    assert "Access-Control-Allow-Credentials" not in client.get("/livez", headers={"Origin": SITE}).headers


def test_a_preflight_needs_no_key(settings: Settings) -> None:
    client = door.client_for(replace(settings, cors_origins=(SITE,), api_key_file=(b"digest",)))
    response = client.options("/predict", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
    assert response.status_code == 200
    may_send = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"content-type", "x-api-key", "traceparent", "baggage", "x-requested-with"} <= may_send
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("text", ["example.org", "https://example.org/", "https://EXAMPLE.org", "ftp://a", "https://"])
def test_an_invalid_origin_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="DIGITS_CORS_ORIGINS="):
        Settings.from_environ({"DIGITS_CORS_ORIGINS": text})


def test_several_are_separated_by_spaces() -> None:
    assert Settings.from_environ({"DIGITS_CORS_ORIGINS": f" {SITE}  * "}).cors_origins == (SITE, "*")
