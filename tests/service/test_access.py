"""The keys: on every route but health, in each form that clients have for them."""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from service.app import create_app
from service.errors import SettingsError
from service.settings import Settings
from tests import drawing

KEY = "correct-horse-battery"
OTHER = "staple-0123456789"


@pytest.fixture
def locked(settings: Settings, tmp_path: Path) -> FlaskClient:
    """A client of a service that demands one of two keys."""
    (tmp_path / "keys").write_text(f"{KEY}\n{OTHER}\n")
    keys = Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")}).api_key_file
    return create_app(replace(settings, api_key_file=keys)).test_client()


def basic(password: str) -> str:
    return "Basic " + b64encode(f"anybody:{password}".encode()).decode()


def test_all_but_health_is_closed_to_who_has_no_key(locked: FlaskClient) -> None:
    health = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
    for rule in locked.application.url_map.iter_rules():
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        response = locked.open(rule.rule, method=method, data=drawing.png() if method == "POST" else None)
        assert (response.status_code == 401) == (rule.rule not in health), rule.rule
    assert locked.get("/nothing").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"Bearer {OTHER}"},
        {"X-API-Key": KEY},
        {"Authorization": basic(KEY)},
    ],
)
def test_each_key_opens_in_each_form(locked: FlaskClient, headers: dict[str, str]) -> None:
    response = locked.post("/predict", data=drawing.png(3), content_type="image/png", headers=headers)
    assert (response.status_code, response.get_json()["digit"]) == (200, 3)
    with locked.get("/", headers={**headers, "Accept": "text/html"}) as page:
        assert page.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Digest {KEY}"},
        {"Authorization": "Basic %%%"},
        {"Authorization": basic("")},
        {"X-API-Key": f"{KEY}\n{OTHER}".encode("unicode_escape").decode()},
        {"X-API-Key": "\xe9" * 20},
    ],
)
def test_nothing_else_does(locked: FlaskClient, headers: dict[str, str]) -> None:
    response = locked.post("/predict", data=drawing.png(3), content_type="image/png", headers=headers)
    assert (response.status_code, response.get_json()["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Basic" in response.headers["WWW-Authenticate"]  # so that a browser asks its user


@pytest.mark.parametrize("content", [None, "", "\n", "short", f"{KEY}\nshort", "passwörter-aus-16-zeichen"])
def test_a_file_without_good_keys_stops_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="DIGITS_API_KEY_FILE="):
        Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")})


def test_settings_hold_no_key(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    assert KEY not in repr(Settings.from_environ({"DIGITS_API_KEY_FILE": str(tmp_path / "keys")}))
