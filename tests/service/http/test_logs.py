"""Log lines: one per request, in the configured format, safe from injection."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from werkzeug.test import Client

from service.http import logs
from service.settings import Settings
from tests import door, drawing


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(
    capsys: pytest.CaptureFixture[str],
    log_format: Literal["text", "json"],
    path: str = "/predict",
    status: int = 200,
    level: Literal["debug", "info"] = "info",
    **noted: Any,
) -> str:
    logs.configure(Settings(log_format=log_format, log_level=level))
    notes = logs.Notes(
        "abc-1", "POST", path, "192.0.2.1", 2115, 300, status, **{"route": "/predict", "seconds": 0.00314, **noted}
    )
    logs.log_access(notes)
    return capsys.readouterr().err


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged(capsys, "text")
    assert line.endswith("POST /predict 200 3.1 ms, 2115 bytes from 192.0.2.1 request=abc-1\n")
    assert line.count("\n") == 1


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(logged(capsys, "json", pictures=2))
    assert record.pop("message") == "POST /predict 200 3.1 ms, 2115 bytes from 192.0.2.1"
    assert {name: record[name] for name in record.keys() - {"time", "pid"}} == {
        "level": "info",
        "logger": "gunicorn.access",
        "request_id": "abc-1",
        "method": "POST",
        "path": "/predict",
        "route": "/predict",
        "status": 200,
        "duration_ms": 3.1,
        "bytes_in": 2115,
        "bytes_out": 300,
        "remote": "192.0.2.1",
        "pictures": 2,
    }


def test_error_codes_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(logged(capsys, "json", status=422, code="no_digit"))["code"] == "no_digit"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_request_is_a_line_without_its_query_or_its_picture(
    door_client: Client, capsys: pytest.CaptureFixture[str], log_format: Literal["text", "json"]
) -> None:
    logs.configure(Settings(log_format=log_format))
    for path in ("/predict?top_k=1&seen=false", "/predict?x=secret", "/secre%74?secret", "/livez?secret"):
        door_client.post(path, data=drawing.png(7), content_type="image/png", headers={"X-Request-ID": "abc-3"})
    lines = [line for line in capsys.readouterr().err.splitlines() if "abc-3" in line]
    assert len(lines) == 4
    assert sum("secret" in line for line in lines) == 1, "paths are logged, queries are not"
    if log_format == "json":
        record = json.loads(lines[0])
        assert (record["path"], record["route"], record["pictures"]) == ("/predict", "/predict", 1)
        assert record["bytes_in"] == len(drawing.png(7))
        assert {json.loads(line).get("code") for line in lines[1:]} == {
            "malformed_request",
            "not_found",
            "method_not_allowed",
        }


@pytest.mark.parametrize(
    ("trusted", "forwarded", "remote"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, None, "127.0.0.1"),
    ],
)
def test_the_client_address_comes_from_trusted_proxies(
    settings: Settings, capsys: pytest.CaptureFixture[str], trusted: int, forwarded: str | None, remote: str
) -> None:
    logs.configure(Settings(log_format="json"))
    client = door.client_for(replace(settings, trusted_proxies=trusted))
    client.get("/v2", headers={"X-Forwarded-For": forwarded} if forwarded else {})
    [record] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"/v2"' in line]
    assert record["remote"] == remote


@pytest.mark.parametrize("route", ["/livez", "/readyz", "/metrics"])
def test_a_probe_is_logged_only_if_it_fails(capsys: pytest.CaptureFixture[str], route: str) -> None:
    assert logged(capsys, "text", route, route=route) == ""
    assert logged(capsys, "text", route, 503, route=route)
    assert logged(capsys, "text", route, level="debug", route=route)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_address_cannot_forge_a_line(
    capsys: pytest.CaptureFixture[str], log_format: Literal["text", "json"]
) -> None:
    line = logged(capsys, log_format, "/a\nb\r\x1b[31m\x85\u2028\xe9")
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_message_can_forge_a_line(capsys: pytest.CaptureFixture[str], log_format: Literal["text", "json"]) -> None:
    logs.configure(Settings(log_format=log_format))
    logging.getLogger("tests").warning("Refused: %s", "a\n2026-01-01 INFO all is well\x1b[2J")
    assert capsys.readouterr().err.removesuffix("\n").isprintable()


def test_an_exception_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    try:
        raise ValueError("here")
    except ValueError:
        logging.getLogger("tests").exception("It failed")
    record = json.loads(capsys.readouterr().err)
    assert record["level"] == "error"
    assert "ValueError: here" in record["exception"]


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_level="error"))
    logging.getLogger("tests").warning("quiet")
    assert capsys.readouterr().err == ""
    assert sys.stderr


def test_a_line_names_the_request_during_which_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    reset = logs.current.set(logs.Notes("abc-2"))
    logging.getLogger("tests").warning("during")
    logs.current.reset(reset)
    logging.getLogger("tests").warning("after")
    during, after = map(json.loads, capsys.readouterr().err.splitlines())
    assert during["request_id"] == "abc-2"
    assert "request_id" not in after


@pytest.mark.parametrize("wanted", ["", "x" * 129, "a b", "a,b", "\xe9", 'a"b', "a\x1b[1m"])
def test_an_invalid_request_id_is_replaced(door_client: Client, wanted: str) -> None:
    response = door_client.get("/nothing", environ_overrides={"HTTP_X_REQUEST_ID": wanted})
    [given] = response.headers.getlist("X-Request-ID")
    assert response.status_code == 404
    assert re.fullmatch(r"[0-9a-f]{24}", given)


def test_each_request_gets_its_own_id(door_client: Client, settings: Settings) -> None:
    other = door.client_for(settings)
    names = {asked.get("/livez").headers["X-Request-ID"] for asked in (door_client, other) for _ in range(50)}
    assert len(names) == 100
