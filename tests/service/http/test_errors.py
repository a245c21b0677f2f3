"""Every error has the same shape, on every route, whoever raises it."""

import inspect
import logging
import re
from typing import Any

import pytest
from flask import Flask, abort
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.test import Client

from service import errors
from service.errors import DigitsError
from tests import drawing

LEAVES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DigitsError)]


def assert_shape(response: Any) -> None:
    body = response.get_json()
    assert response.status_code >= 400
    assert response.mimetype == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert set(body) == {"error", "code"}
    assert body["error"].endswith(".")
    assert body["code"] == body["code"].lower()
    assert " " not in body["code"]


def routes(app: Flask) -> list[tuple[str, set[str]]]:
    return [(re.sub(r"<\w+:", "<", rule.rule), rule.methods or set()) for rule in app.url_map.iter_rules()]


def test_each_route_refuses_each_other_method(app: Flask, client: Client) -> None:
    assert len(routes(app)) >= 5
    for path, _ in routes(app):
        # By all rules that match the path: /v1/models/NAME:predict is a NAME too.
        methods = set(app.url_map.bind("localhost").allowed_methods(path))
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - methods:
            response = client.open(path, method=method)
            assert_shape(response)
            assert response.status_code == 405
            assert set(response.headers["Allow"].split(", ")) == methods


def test_each_route_with_a_body_rejects_garbage_and_excess(app: Flask, client: Client) -> None:
    for path, methods in routes(app):
        for body in (b"", b"garbage", bytes(2 << 20)):
            nothing_wanted = path == "/v2/repository/index" and not body  # Triton's client sends none
            for content_type in ("image/png", "application/json", "multipart/form-data; boundary=b", "text/plain"):
                if "POST" in methods and not nothing_wanted:
                    assert_shape(client.post(path, data=body, content_type=content_type))


@pytest.mark.parametrize("encoding", ["br", "zstd", "identity, gzip"])
def test_each_route_refuses_a_body_in_another_encoding(app: Flask, door_client: Client, encoding: str) -> None:
    for path in (path for path, methods in routes(app) if "POST" in methods):
        response = door_client.post(path, data=b"{}", content_type="image/png", headers={"Content-Encoding": encoding})
        assert_shape(response)
        assert (response.status_code, response.get_json()["code"]) == (415, "unsupported_media_type")
        assert "Content-Encoding" in response.get_json()["error"]


def test_identity_encoding_is_accepted(client: Client) -> None:
    response = client.post(
        "/predict", data=drawing.png(), content_type="image/png", headers={"Content-Encoding": "Identity"}
    )
    assert response.status_code == 200


def raising(app: Flask, error: Any) -> Client:
    def view() -> str:
        if isinstance(error, int):
            abort(error)
        raise error

    app.add_url_rule("/raise", view_func=view)
    return app.test_client()


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_werkzeug_errors_have_our_shape(app: Flask, status: int) -> None:
    response = raising(app, status).get("/raise")
    assert_shape(response)
    assert response.status_code == status


@pytest.mark.parametrize("kind", LEAVES)
def test_our_errors_have_our_shape(app: Flask, kind: type[DigitsError]) -> None:
    response = raising(app, kind("Send something else.")).get("/raise")
    assert response.status_code == kind.status
    assert response.get_json() == {"error": "Send something else.", "code": kind.code}


def test_a_defect_is_logged_but_not_disclosed(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    response = raising(app, RuntimeError("secret path")).get("/raise")
    assert_shape(response)
    assert (response.status_code, response.get_json()["code"]) == (500, "internal_error")
    assert b"secret" not in response.data
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info
    assert str(record.exc_info[1]) == "secret path"


def test_headers_of_an_http_error_are_kept(app: Flask) -> None:
    class TryLater(HTTPException):
        code = 429
        description = "Slow down."

        def get_headers(self, *_: Any) -> list[tuple[str, str]]:
            return [("Content-Type", "text/html"), ("Retry-After", "3")]

    response = raising(app, TryLater()).get("/raise")
    assert_shape(response)
    assert response.headers["Retry-After"] == "3"


def test_a_redirect_is_not_an_error(app: Flask) -> None:
    app.add_url_rule("/folder/", view_func=lambda: "here", endpoint="folder")
    response = app.test_client().get("/folder")
    assert (response.status_code, response.headers["Location"]) == (308, "http://localhost/folder/")
