"""Log lines: one each, in the format that was asked for, safe whatever a client puts into its address."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from flask.testing import FlaskClient

from service import logs
from service.app import create_app
from service.settings import Settings


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
    uri: str = "/predict?x=secret",
    status: str = "200 OK",
    level: Literal["debug", "info"] = "info",
    **noted: Any,
) -> str:
    logs.configure(Settings(log_format=log_format, log_level=level))
    logger = logs.GunicornLogger.__new__(logs.GunicornLogger)
    logger.access_log = logging.getLogger("tests.access")
    environ = {
        "RAW_URI": uri,
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": "2115",
        "REMOTE_ADDR": "192.0.2.1",
        logs.NOTES: logs.Notes("abc-1", **{"route": "/predict", **noted}),
    }
    logger.access(SimpleNamespace(status=status, sent=300), None, environ, timedelta(milliseconds=3.14))
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
        "logger": "tests.access",
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


def test_the_code_of_a_refusal_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(logged(capsys, "json", status="422 Unprocessable", code="no_digit"))["code"] == "no_digit"


def test_a_query_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert "secret" not in logged(capsys, "text") + logged(capsys, "json")


@pytest.mark.parametrize("route", ["/livez", "/readyz", "/metrics"])
def test_a_probe_is_logged_only_where_something_is_wrong(capsys: pytest.CaptureFixture[str], route: str) -> None:
    assert logged(capsys, "text", route, route=route) == ""
    assert logged(capsys, "text", route, "503 Service Unavailable", route=route)
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


@pytest.mark.parametrize("wanted", ["a", "A-1_b.2", "x" * 128])
def test_a_sane_request_id_is_taken(client: FlaskClient, wanted: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": wanted}).headers.getlist("X-Request-ID") == [wanted]


@pytest.mark.parametrize("wanted", ["", "x" * 129, "a b", "a,b", "\xe9", 'a"b', "a\x1b[1m"])
def test_another_is_replaced(client: FlaskClient, wanted: str) -> None:
    response = client.get("/nothing", environ_overrides={"HTTP_X_REQUEST_ID": wanted})
    [given] = response.headers.getlist("X-Request-ID")
    assert response.status_code == 404
    assert re.fullmatch(r"[0-9a-f]{24}", given)


def test_each_request_has_a_name_of_its_own(client: FlaskClient, settings: Settings) -> None:
    other = create_app(settings).test_client()
    names = {asked.get("/livez").headers["X-Request-ID"] for asked in (client, other) for _ in range(50)}
    assert len(names) == 100
