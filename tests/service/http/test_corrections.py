"""`POST /corrections`: what it accepts and stores. It is off unless a directory is set."""

import base64
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from service.contract import Correction
from service.http.app import create_app, open_service
from service.http.corrections import Corrections
from service.http.front import Front
from service.settings import Settings
from tests import door, drawing

PICTURE = drawing.png(3)
TEXT = base64.b64encode(PICTURE).decode()
FORMS: dict[str, dict[str, Any]] = {
    "json": {"json": {"image": TEXT, "digit": 8}},
    "json float": {"json": {"image": TEXT, "digit": 8.0}},  # the same number in JSON
    "json text": {"json": {"image": TEXT, "digit": "8"}},
    "form": {"data": {"image": (BytesIO(PICTURE), "3.png"), "digit": "8"}},
    "urlencoded": {"data": {"image": TEXT, "digit": "8"}, "content_type": "application/x-www-form-urlencoded"},
    "body": {"query_string": "digit=8", "data": PICTURE, "content_type": "image/png"},
}
BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no digit": ({"json": {"image": TEXT}}, 400, "malformed_request"),
    "ten": ({"json": {"image": TEXT, "digit": 10}}, 400, "malformed_request"),
    "an underscore": ({"json": {"image": TEXT, "digit": "0_7"}}, 400, "malformed_request"),
    "true": ({"json": {"image": TEXT, "digit": True}}, 400, "malformed_request"),
    "a float": ({"json": {"image": TEXT, "digit": 1.5}}, 400, "malformed_request"),
    "a list": ({"json": {"image": TEXT, "digit": [7]}}, 400, "malformed_request"),
    "null": ({"json": {"image": TEXT, "digit": None}}, 400, "malformed_request"),
    "a word": ({"json": {"image": TEXT, "digit": "seven"}}, 400, "malformed_request"),
    "an option": ({"json": {"image": TEXT, "digit": 7, "top_k": 3}}, 400, "malformed_request"),
    "no picture": ({"json": {"digit": 7}}, 400, "malformed_request"),
    "no image": ({"json": {"image": "aGVsbG8=", "digit": 7}}, 415, "unsupported_image"),
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, corrections_dir=tmp_path / "corrections")


def kept(settings: Settings) -> list[tuple[str, Correction | str]]:
    corrections = Corrections.of(settings)
    assert corrections
    return list(corrections.listed())


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_kept_as_it_was_sent(client: Client, settings: Settings, form: str) -> None:
    given = FORMS[form] if form != "form" else {"data": {"image": (BytesIO(PICTURE), "3.png"), "digit": "8"}}
    response = client.post("/corrections", **given)
    assert response.status_code == 201
    answer = response.get_json()
    expected = client.post("/predict?seen=true", data=PICTURE, content_type="image/png").get_json()
    [(name, found)] = kept(settings)
    assert isinstance(found, Correction)
    assert answer == {"id": name, "digit": 8, "read": 3, "certain": True, "model": expected["model"]}
    assert (found.image, found.digit, found.read, found.certain) == (PICTURE, 8, 3, True)
    assert found.confidence == pytest.approx(expected["confidence"], abs=1e-6)
    assert base64.b64encode(found.seen).decode() == expected["seen"]
    assert {"name": found.model, "version": found.version} == expected["model"]


@pytest.mark.parametrize("case", BAD)
def test_an_invalid_correction_is_rejected_and_not_kept(client: Client, settings: Settings, case: str) -> None:
    given, status, code = BAD[case]
    response = client.post("/corrections", **given)
    assert (response.status_code, response.get_json()["code"]) == (status, code)
    assert kept(settings) == []


def test_corrections_reject_the_pictures_that_predict_rejects(client: Client, settings: Settings) -> None:
    blank = drawing.encode(drawing.digit(1, ink=255))
    answers = [client.post(path, data=blank, content_type="image/png") for path in ("/corrections?digit=1", "/predict")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].get_json() == answers[1].get_json()
    assert kept(settings) == []


def test_over_the_limit_it_is_507_in_our_shape(settings: Settings) -> None:
    full = replace(settings, corrections_max=1)
    here = open_service(full)
    for asked in (door.client_of(Front(here)), create_app(here).test_client()):
        for digit in (1, 2):
            asked.post("/corrections?digit=1", data=drawing.png(digit), content_type="image/png")
        response = asked.post("/corrections?digit=1", data=drawing.png(4), content_type="image/png")
        assert response.status_code == 507
        assert response.get_json().keys() == {"error", "code"}
        assert response.get_json()["code"] == "insufficient_storage"
    assert len(kept(full)) == 1


def test_metrics_count_by_answered_and_corrected_digit(client: Client) -> None:
    for digit in (8, 8, 3):
        client.post(f"/corrections?digit={digit}", data=PICTURE, content_type="image/png")
    client.post("/corrections?digit=x", data=PICTURE, content_type="image/png")
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("digits_corrections_total")]
    assert sorted(lines) == [
        'digits_corrections_total{answered="3",corrected="3"} 1.0',
        'digits_corrections_total{answered="3",corrected="8"} 2.0',
    ]


def test_index_and_page_say_that_corrections_are_on(client: Client) -> None:
    assert "POST /corrections" in client.get("/").get_json()["routes"]
    page = client.get("/", headers={"Accept": "text/html"})
    assert "<body data-corrections>" in page.text
    again = client.get("/", headers={"Accept": "text/html", "If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304


def test_without_a_directory_nothing_is_stored_and_the_error_names_the_setting(
    settings: Settings, tmp_path: Path
) -> None:
    here = open_service(replace(settings, corrections_dir=None))
    for asked in (door.client_of(Front(here)), create_app(here).test_client()):
        response = asked.post("/corrections", json={"image": TEXT, "digit": 8})
        assert (response.status_code, response.get_json()["code"]) == (404, "not_found")
        assert "DIGITS_CORRECTIONS_DIR" in response.get_json()["error"]
        assert "POST /corrections" not in json.dumps(asked.get("/").get_json())
        assert "<body data-corrections>" not in asked.get("/", headers={"Accept": "text/html"}, buffered=True).text
    assert not (tmp_path / "corrections").exists()


def test_corrections_require_a_key_if_keys_are_set(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef")
    environ = {"MODELS_DIR": settings.models_dir, "API_KEY_FILE": keys, "CORRECTIONS_DIR": settings.corrections_dir}
    closed = Settings.from_environ({f"DIGITS_{name}": str(value) for name, value in environ.items()})
    asked = door.client_for(closed)
    assert asked.post("/corrections", json={"image": TEXT, "digit": 8}).status_code == 401
    assert kept(closed) == []
    header = {"X-API-Key": "0123456789abcdef"}
    assert asked.post("/corrections", json={"image": TEXT, "digit": 8}, headers=header).status_code == 201
