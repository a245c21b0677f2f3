"""API keys: which routes need one, and bad key files. tests/contract sends each form of a key."""

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
