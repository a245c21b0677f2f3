"""API keys and CORS: which routes need a key, which origins may read; tests/contract sends each form of a key."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from service.errors import SettingsError
from service.http.app import create_app
from service.settings import Settings
from tests import door, drawing

KEY = "correct-horse-battery"
OTHER = "staple-0123456789"


@pytest.fixture
def locked(settings: Settings, tmp_path: Path) -> Client:
    """A client of a service that demands one of two keys."""
    (tmp_path / "keys").write_text(f"{KEY}\n{OTHER}\n")
    keys = Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")}).api_key_file
    return door.client_for(replace(settings, api_key_file=keys))


def test_only_health_is_open_without_a_key(locked: Client, app: Flask) -> None:
    health = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
    for rule in app.url_map.iter_rules():
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        response = locked.open(rule.rule, method=method, data=drawing.png() if method == "POST" else None)
        assert (response.status_code == 401) == (rule.rule not in health), rule.rule
    assert locked.get("/nothing").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"X-API-Key": f"{KEY}\n{OTHER}".encode("unicode_escape").decode()},
        {"X-API-Key": "\xe9" * 20},
    ],
)
def test_no_key_is_nearly_right(locked: Client, headers: dict[str, str]) -> None:
    response = locked.post("/predict", data=drawing.png(3), content_type="image/png", headers=headers)
    assert (response.status_code, response.get_json()["code"]) == (401, "unauthorized")
    # One challenge a line, Basic first: Chromium reads only the first on a line, and prompts for Basic alone.
    schemes = [line.split()[0] for line in response.headers.getlist("WWW-Authenticate")]
    assert schemes == ["Basic", "Bearer"]


def test_flask_alone_does_not_start_if_keys_are_set(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text(KEY)
    monkeypatch.setenv("DIGITS_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("DIGITS_PROVIDER", "cpu")
    assert create_app().test_client().get("/readyz").status_code == 200
    monkeypatch.setenv("DIGITS_API_KEY_FILE", str(tmp_path / "keys"))
    with pytest.raises(SettingsError, match="DIGITS_API_KEY_FILE"):
        create_app()


@pytest.mark.parametrize("content", [None, "", "\n", "short", f"{KEY}\nshort", "passwörter-aus-16-zeichen"])
def test_a_file_without_good_keys_stops_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="DIGITS_API_KEY_FILE="):
        Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")})


def test_settings_hold_no_key(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    assert KEY not in repr(Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")}))


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
