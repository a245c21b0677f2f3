"""`/predict` and `/predict/batch`, through a client, as an app developer would use them."""

import base64
import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from service.api import EXTENSION
from service.preprocessing.mnist_format import canonical_digit
from service.settings import Settings
from tests import drawing, factory

MODEL = {"name": "mnist-dmlp", "version": "1"}


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def file(content: bytes, name: str = "digit.png") -> tuple[BytesIO, str]:
    return BytesIO(content), name


def post(client: FlaskClient, content: bytes, query: str = "", content_type: str = "image/png") -> Any:
    return client.post(f"/predict{query}", data=content, content_type=content_type)


@pytest.mark.parametrize("label", range(10))
def test_answer(client: FlaskClient, label: int) -> None:
    response = post(client, drawing.png(label))
    answer = response.get_json()
    assert response.status_code == 200
    assert list(answer) == ["digit", "confidence", "certain", "probabilities", "model"]
    assert answer["digit"] == label
    assert answer["confidence"] == max(answer["probabilities"]) == answer["probabilities"][label]
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-6)
    assert answer["certain"] is True
    assert answer["model"] == MODEL


def test_probabilities_are_those_of_the_model(app: Flask, client: FlaskClient) -> None:
    engine = app.extensions[EXTENSION].store.serving.engine
    expected = engine.run(canonical_digit(np.asarray(drawing.digit(9)))[np.newaxis])[0]
    found = np.array(post(client, drawing.png(9)).get_json()["probabilities"], np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "request_",
    [
        {"data": {"image": file(drawing.png(5))}},
        {"data": {"image": file(drawing.png(5)), "comment": "something else"}},
        {"data": drawing.png(5), "content_type": "image/png"},
        {"data": drawing.png(5), "content_type": "image/jpeg"},  # the bytes tell, not the client
        {"data": drawing.png(5), "content_type": "application/octet-stream"},
        {"json": {"image": base64_of(drawing.png(5))}},
        {"json": {"image": "data:image/png;base64," + base64_of(drawing.png(5))}},
        {"json": {"image": base64.encodebytes(drawing.png(5)).decode()}},
    ],
    ids=["multipart", "multipart with another field", "raw", "wrong type", "octets", "json", "data URL", "line breaks"],
)
def test_each_form_of_upload(client: FlaskClient, request_: dict[str, Any]) -> None:
    if isinstance(request_.get("data"), dict):  # a stream can be sent once
        request_ = {"data": {**request_["data"], "image": file(drawing.png(5))}}
    response = client.post("/predict", **request_)
    assert (response.status_code, response.get_json()["digit"]) == (200, 5)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_each_format(client: FlaskClient, format: str) -> None:
    response = post(client, drawing.encode(drawing.digit(3), format), content_type="application/octet-stream")
    assert response.get_json()["digit"] == 3


def test_certain_follows_the_manifest(settings: Settings) -> None:
    from service.app import create_app

    factory.publish(settings.models_dir, 2, promised=factory.at_temperature(9), certain_from=1.0)
    answer = post(create_app(settings).test_client(), drawing.png(1)).get_json()
    assert (answer["certain"], answer["model"]["version"]) == (False, "2")


@pytest.mark.parametrize("k", [1, 3, 10])
def test_top_k(client: FlaskClient, k: int) -> None:
    answer = post(client, drawing.png(6), f"?top_k={k}").get_json()
    ranking = sorted(enumerate(answer["probabilities"]), key=lambda entry: -entry[1])[:k]
    assert answer["top_k"] == [{"digit": digit, "probability": probability} for digit, probability in ranking]


def test_seen(client: FlaskClient) -> None:
    answer = post(client, drawing.png(2), "?seen=true").get_json()
    image = Image.open(BytesIO(base64.b64decode(answer["seen"])))
    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image), canonical_digit(np.asarray(drawing.digit(2))))


def test_not_seen_unless_asked(client: FlaskClient) -> None:
    for query in ("", "?seen=false"):
        assert "seen" not in post(client, drawing.png(), query).get_json()


@pytest.mark.parametrize(
    "query", ["top_k=0", "top_k=11", "top_k=-1", "top_k=3.0", "top_k=x", "top_k=", "top_k=%D9%A3", "seen=yes", "seen="]
)
@pytest.mark.parametrize("route", ["/predict", "/predict/batch"])
def test_bad_query(client: FlaskClient, route: str, query: str) -> None:
    response = client.post(f"{route}?{query}", data={"image": file(drawing.png())})
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
    assert query.partition("=")[0] in response.get_json()["error"]


BAD_UPLOADS: list[tuple[dict[str, Any], int, str]] = [
    ({"data": {"picture": (b"", "a.png")}}, 400, "malformed_request"),
    ({"data": {"image": (b"", "a.png")}}, 400, "malformed_request"),
    ({"data": {"image": "text"}, "content_type": "multipart/form-data"}, 400, "malformed_request"),
    ({"data": b"", "content_type": "image/png"}, 400, "malformed_request"),
    ({"data": b"no parts", "content_type": "multipart/form-data"}, 400, "malformed_request"),
    ({"data": b"no parts", "content_type": "multipart/form-data; boundary=x"}, 400, "malformed_request"),
    ({"data": b"{", "content_type": "application/json"}, 400, "malformed_request"),
    ({"data": b"[" * 100_000, "content_type": "application/json"}, 400, "malformed_request"),
    ({"data": b'"\xff"', "content_type": "application/json"}, 400, "malformed_request"),
    ({"json": {}}, 400, "malformed_request"),
    ({"json": []}, 400, "malformed_request"),
    ({"data": b"null", "content_type": "application/json"}, 400, "malformed_request"),
    ({"json": {"image": None}}, 400, "malformed_request"),
    ({"json": {"image": 7}}, 400, "malformed_request"),
    ({"json": {"image": ""}}, 400, "malformed_request"),
    ({"json": {"image": "@@@@"}}, 400, "malformed_request"),
    ({"json": {"image": "héllo"}}, 400, "malformed_request"),
    ({"json": {"image": "data:image/png"}}, 400, "malformed_request"),
    ({"data": drawing.png(), "content_type": "text/plain"}, 415, "unsupported_media_type"),
    ({"data": drawing.png(), "content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ({"data": drawing.png()}, 415, "unsupported_media_type"),
    ({"data": b"hello", "content_type": "image/png"}, 415, "unsupported_image"),
    ({"data": drawing.png()[:100], "content_type": "image/png"}, 422, "unreadable_image"),
    ({"data": drawing.encode(Image.new("L", (50, 50))), "content_type": "image/png"}, 422, "no_digit"),
    ({"data": drawing.encode(Image.new("RGB", (1001, 1000))), "content_type": "image/png"}, 413, "too_large"),
    ({"data": bytes((1 << 20) + 1), "content_type": "image/png"}, 413, "too_large"),
    ({"data": {"image": "x" * (65 << 10)}, "content_type": "multipart/form-data"}, 413, "too_large"),
]


@pytest.mark.parametrize(("request_", "status", "code"), BAD_UPLOADS)
def test_bad_upload(client: FlaskClient, request_: dict[str, Any], status: int, code: str) -> None:
    if isinstance(request_.get("data"), dict):
        fields = request_["data"].items()
        data = {name: file(*value) if isinstance(value, tuple) else value for name, value in fields}
        request_ = {**request_, "data": data}
    response = client.post("/predict", **request_)
    assert (response.status_code, response.get_json()["code"]) == (status, code)


def test_an_unsupported_type_is_told_what_is_supported(client: FlaskClient) -> None:
    message = post(client, drawing.png(), content_type="text/csv").get_json()["error"]
    assert "'text/csv'" in message
    assert all(form in message for form in ("multipart/form-data", "image/*", "application/json"))


def test_two_pictures_are_one_too_many(client: FlaskClient) -> None:
    response = client.post("/predict", data={"image": [file(drawing.png(1)), file(drawing.png(2))]})
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
    assert "/predict/batch" in response.get_json()["error"]


def test_a_body_of_the_largest_size_is_read(client: FlaskClient) -> None:
    content = drawing.png() + bytes((1 << 20) - len(drawing.png()))
    assert post(client, content).status_code == 200


def test_more_parts_than_a_batch_can_have(client: FlaskClient) -> None:
    fields: dict[str, Any] = {f"field{number}": "x" for number in range(20)}
    response = client.post("/predict", data={**fields, "image": file(drawing.png())})
    assert (response.status_code, response.get_json()["code"]) == (413, "too_large")


def test_batch_of_files(client: FlaskClient) -> None:
    response = client.post("/predict/batch", data={"image": [file(drawing.png(label)) for label in (4, 8, 0)]})
    answer = response.get_json()
    assert [prediction["digit"] for prediction in answer["predictions"]] == [4, 8, 0]
    assert answer["model"] == MODEL
    assert "model" not in answer["predictions"][0]


def test_an_error_in_one_leaves_the_others_answered(client: FlaskClient) -> None:
    images = [base64_of(drawing.png(7)), "@", base64_of(b"hello"), base64_of(drawing.png(1))]
    response = client.post("/predict/batch?top_k=2", json={"images": images})
    first, *errors, last = response.get_json()["predictions"]
    assert response.status_code == 200
    assert (first["digit"], last["digit"], len(last["top_k"])) == (7, 1, 2)
    assert [error["code"] for error in errors] == ["malformed_request", "unsupported_image"]
    assert all(set(error) == {"error", "code"} for error in errors)


def test_batch_of_nothing_but_errors(client: FlaskClient) -> None:
    response = client.post("/predict/batch", json={"images": [None]})
    assert (response.status_code, response.get_json()["predictions"][0]["code"]) == (200, "malformed_request")


def test_batch_answers_as_single_requests_do(client: FlaskClient) -> None:
    batch = client.post("/predict/batch", data={"image": [file(drawing.png(label)) for label in (2, 3)]}).get_json()
    for label, prediction in zip((2, 3), batch["predictions"], strict=True):
        single = post(client, drawing.png(label)).get_json()
        assert prediction["probabilities"] == pytest.approx(single["probabilities"], abs=1e-6)


def test_the_model_runs_once_for_a_batch(app: Flask, client: FlaskClient, monkeypatch: Any) -> None:
    engine = app.extensions[EXTENSION].store.serving.engine
    sizes, run = [], engine.run

    def counted(images: Any) -> Any:
        sizes.append(len(images))
        return run(images)

    monkeypatch.setattr(engine, "run", counted)
    client.post("/predict/batch", data={"image": [file(drawing.png(label)) for label in (4, 8, 0)]})
    assert sizes == [3]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"images": []}}, 400),
        ({"json": {"images": "x"}}, 400),
        ({"json": {"image": "x"}}, 400),
        ({"json": {"images": ["x"] * 5}}, 413),
        ({"data": {}, "content_type": "multipart/form-data"}, 400),
        ({"data": drawing.png(), "content_type": "image/png"}, 415),
    ],
)
def test_bad_batch(client: FlaskClient, request_: dict[str, Any], status: int) -> None:
    response = client.post("/predict/batch", **request_)
    assert response.status_code == status
    assert set(response.get_json()) == {"error", "code"}


def test_no_model(tmp_path: Any) -> None:
    from service.app import create_app

    client = create_app(Settings(models_dir=tmp_path)).test_client()
    response = post(client, drawing.png())
    assert (response.status_code, response.get_json()["code"]) == (503, "not_ready")


def test_json_is_plain_json(client: FlaskClient) -> None:
    json.loads(post(client, drawing.png()).data, parse_constant=pytest.fail)
