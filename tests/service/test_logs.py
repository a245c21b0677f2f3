"""Log lines: one each, in the format that was asked for, safe whatever a client puts into its address."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Literal

import pytest

from service import logs
from service.settings import Settings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str], log_format: Literal["text", "json"], uri: str = "/predict?x=1") -> str:
    logs.configure(Settings(log_format=log_format))
    logger = logs.GunicornLogger.__new__(logs.GunicornLogger)
    logger.access_log = logging.getLogger("tests.access")
    environ = {"RAW_URI": uri, "REQUEST_METHOD": "POST"}
    logger.access(SimpleNamespace(status="200 OK"), None, environ, timedelta(milliseconds=3.14))
    return capsys.readouterr().err


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged(capsys, "text")
    assert line.endswith("POST /predict 200 3.1 ms\n")
    assert line.count("\n") == 1


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(logged(capsys, "json"))
    assert record["message"] == "POST /predict 200 3.1 ms"
    assert (record["method"], record["path"], record["status"], record["duration_ms"]) == ("POST", "/predict", 200, 3.1)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_address_cannot_forge_a_line(
    capsys: pytest.CaptureFixture[str], log_format: Literal["text", "json"]
) -> None:
    assert logged(capsys, log_format, "/a\nb\x1b[31m\xe9").count("\n") == 1


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
