"""`/predict` and `/predict/batch` over HTTP."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import Client

from service.errors import MalformedRequest
from service.http.answering import Service
from service.http.app import create_app, open_service
from service.http.front import Front
from service.http.predict import picture_in
from service.preprocessing.mnist_format import canonical_digit
from service.settings import Settings
from tests import door, drawing, factory

MODEL = {"name": "mnist-dmlp", "version": "1"}


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def file(content: bytes, name: str = "digit.png") -> tuple[BytesIO, str]:
    return BytesIO(content), name


def post(client: Client, content: bytes, query: str = "", content_type: str = "image/png") -> Any:
    return client.post(f"/predict{query}", data=content, content_type=content_type)


@pytest.mark.parametrize("label", [3, 7])
def test_answer(client: Client, label: int) -> None:
    response = post(client, drawing.png(label))
    answer = response.get_json()
    assert response.status_code == 200
    assert list(answer) == ["digit", "confidence", "certain", "probabilities", "model"]
    assert answer["digit"] == label
    assert answer["confidence"] == max(answer["probabilities"]) == answer["probabilities"][label]
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-6)
    assert answer["certain"] is True
    assert answer["model"] == MODEL


def test_probabilities_are_those_of_the_model(here: Service, client: Client) -> None:
    assert here.store.serving
    engine = here.store.serving.engine
    expected = engine.run(canonical_digit(np.asarray(drawing.digit(9)))[np.newaxis])[0]
    found = np.array(post(client, drawing.png(9)).get_json()["probabilities"], np.float32)
    np.testing.assert_array_equal(found, expected)


def test_seen(client: Client) -> None:
    answer = post(client, drawing.png(2), "?seen=true").get_json()
    image = Image.open(BytesIO(base64.b64decode(answer["seen"])))
    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image), canonical_digit(np.asarray(drawing.digit(2))))


@pytest.mark.parametrize(
    "asked",
    [
        {"query_string": "top_k=2&seen=true", "json": {"image": base64_of(drawing.png(6))}},
        {"json": {"image": base64_of(drawing.png(6)), "top_k": 2, "seen": True}},
        {"json": {"image": base64_of(drawing.png(6)), "top_k": "2", "seen": "true"}},
        {"query_string": "top_k=2", "json": {"image": base64_of(drawing.png(6)), "top_k": 5, "seen": True}},
        {"data": {"image": (drawing.png(6), "a.png"), "top_k": "2", "seen": "true"}},
        {"query_string": "seen=1", "data": {"image": (drawing.png(6), "a.png"), "top_k": "2"}},
        {"data": {"image": base64_of(drawing.png(6)), "top_k": "2", "seen": "true"}},  # urlencoded
    ],
    ids=["query", "JSON", "texts in JSON", "the query wins", "form", "query and form", "urlencoded"],
)
def test_options_are_read_from_query_form_and_json(client: Client, asked: dict[str, Any]) -> None:
    answer = client.post("/predict", **with_files(asked)).get_json()
    assert (answer["digit"], len(answer["top_k"]), "seen" in answer) == (6, 2, True)


def with_files(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with streams, which can be sent once, for the files in its form."""
    if not isinstance(request.get("data"), dict):
        return request
    fields = request["data"].items()
    return {**request, "data": {name: file(*value) if isinstance(value, tuple) else value for name, value in fields}}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"top_k": 0}, "top_k='0'"),
        ({"top_k": 2.5}, "top_k='2.5'"),
        ({"top_k": True}, "top_k"),
        ({"top_k": -1}, "top_k='-1'"),
        ({"top_k": "1_0"}, "top_k='1_0'"),
        ({"top_k": "\u0663"}, "top_k"),  # a 3 in Arabic
        ({"seen": "yes"}, "seen"),
    ],
)
@pytest.mark.parametrize("route", ["/predict", "/predict/batch"])
def test_bad_options_in_a_body(client: Client, route: str, values: dict[str, Any], named: str) -> None:
    picture = base64_of(drawing.png())
    for body in (
        {"json": {"image": picture, **values} if route == "/predict" else {"images": [picture], **values}},
        {"data": {"image": (drawing.png(), "a.png"), **values}},
    ):
        response = client.post(route, **with_files(body))
        assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
        assert named in response.get_json()["error"]


@pytest.mark.parametrize("name", ["Image", "IMAGE", "image ", "topk", "comment", "file", ""])
@pytest.mark.parametrize("route", ["/predict", "/predict/batch"])
def test_the_error_names_an_unknown_field(client: Client, route: str, name: str) -> None:
    """In a form or in JSON, alone or beside the picture, as a file or as text."""
    good = "image" if route == "/predict" else "images"
    value: Any = base64_of(drawing.png())
    for request in (
        {"data": {name: file(drawing.png())}},
        {"data": {"image": file(drawing.png()), name: "x"}},
        {"data": {name: "x", "image": file(drawing.png())}},
        {"json": {name: "x", good: value if good == "image" else [value]}},
    ):
        response = client.post(route, **request)
        assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
        assert repr(name) in response.get_json()["error"]


PICTURE = drawing.encode(drawing.digit(3, side=320))  # whose base64 has `+` and `/`
TEXT = base64_of(PICTURE)


def lines(width: int, separator: str) -> str:
    return separator.join(TEXT[place : place + width] for place in range(0, len(TEXT), width))


AS_TEXT = {
    "standard": TEXT,
    "unpadded": TEXT.rstrip("="),
    "URL-safe": base64.urlsafe_b64encode(PICTURE).decode(),
    "URL-safe and unpadded": base64.urlsafe_b64encode(PICTURE).decode().rstrip("="),
    "lines as of base64": lines(76, "\n") + "\n",
    "lines as of mail": lines(64, "\r\n"),
    "lines joined by spaces": lines(76, " "),
    "narrower lines joined by spaces": lines(64, " ") + " ",
    "+ became a space": TEXT.replace("+", " "),
    "data URL": "data:image/png;base64," + TEXT,
    "data URL in capitals": "DATA:IMAGE/PNG;BASE64," + TEXT,
    "data URL with a parameter": "data:image/png;charset=utf-8;base64," + TEXT,
    "data URL without a type": "data:;base64," + TEXT,
    "data URL whose + became a space": "data:image/png;base64," + TEXT.replace("+", " "),
    "space around it": f"  {TEXT}\n",
    "a space in it": TEXT[:100] + " " + TEXT[100:],
}


@pytest.mark.parametrize("text", AS_TEXT.values(), ids=AS_TEXT)
def test_base64_variants_are_accepted(text: str) -> None:
    assert "+" in TEXT
    assert "/" in TEXT
    assert picture_in(text) == PICTURE


BAD_TEXTS = [
    (None, "not a string"),
    (["AAAA"], "not a string"),
    ("", "empty"),
    ("   ", "empty"),
    ("=", "empty"),
    ("@@@@", "not base64"),
    ("A", "not base64"),
    (TEXT[:-4] + "%3D", "not base64"),
    ("h\xe9llo", "not base64"),
    ("data:image/png," + TEXT, "not base64"),
    ("data:image/png", "not base64"),
    ("data:image/png;base64,", "empty"),
]


@pytest.mark.parametrize(("text", "said"), BAD_TEXTS)
def test_invalid_base64(text: Any, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said) as caught:
        picture_in(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("quoted", [True, False], ids=["as %2B", "as +, which is a space there"])
def test_a_urlencoded_form(client: Client, quoted: bool) -> None:
    body = "image=" + (quote(TEXT, safe="") if quoted else TEXT)
    response = client.post("/predict", data=body, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.get_json()["digit"]) == (200, 3)
    response = client.post("/predict", data=body + "&x=1", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")


def test_the_error_for_an_unsupported_type_lists_supported_types(client: Client) -> None:
    message = post(client, drawing.png(), content_type="text/csv").get_json()["error"]
    assert "'text/csv'" in message
    assert all(form in message for form in ("multipart/form-data", "image/*", "application/json"))


def test_two_pictures_are_rejected(client: Client) -> None:
    response = client.post("/predict", data={"image": [file(drawing.png(1)), file(drawing.png(2))]})
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
    assert "/predict/batch" in response.get_json()["error"]


def test_batch_answers_as_single_requests_do(client: Client) -> None:
    batch = client.post("/predict/batch", data={"image": [file(drawing.png(label)) for label in (2, 3)]}).get_json()
    for label, prediction in zip((2, 3), batch["predictions"], strict=True):
        single = post(client, drawing.png(label)).get_json()
        assert prediction["probabilities"] == pytest.approx(single["probabilities"], abs=1e-6)


def test_the_model_runs_once_for_a_batch(here: Service, client: Client, monkeypatch: Any) -> None:
    assert here.store.serving
    engine = here.store.serving.engine
    sizes, run = [], engine.run

    def counted(images: Any) -> Any:
        sizes.append(len(images))
        return run(images)

    monkeypatch.setattr(engine, "run", counted)
    client.post("/predict/batch", data={"image": [file(drawing.png(label)) for label in (4, 8, 0)]})
    assert sizes == [3]


def test_an_uncertain_picture_that_was_fitted_gets_a_second_look_in_every_form(tmp_path: Path) -> None:
    blurred = factory.at_temperature(9)
    factory.publish(tmp_path, content=blurred, promised=blurred, certain_from=1.0)
    here = open_service(Settings(models_dir=tmp_path, provider="cpu"))
    assert here.store.serving
    engine, digit = here.store.serving.engine, canonical_digit(np.asarray(drawing.digit(4)))
    first = engine.run(digit[np.newaxis])
    [expected] = engine.read(digit[np.newaxis], 1.0)
    assert np.abs(expected - first).max() > 1e-3
    own = drawing.encode(Image.fromarray(digit))  # in MNIST's form
    for client in (door.client_of(Front(here)), create_app(here).test_client()):
        single = post(client, drawing.png(4)).get_json()
        pictures = [drawing.png(7), drawing.png(4), b"", own, drawing.png(4)]
        batch = client.post("/predict/batch", json={"images": [base64_of(picture) for picture in pictures]})
        tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": digit.ravel().tolist()}
        infer = client.post("/v2/models/mnist-dmlp/infer", json={"inputs": [tensor]}).get_json()
        _, four, _, same, another = batch.get_json()["predictions"]
        for answer in (single, four, another):
            np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
            assert answer["certain"] is False
        for found in (
            infer["outputs"][0]["data"],
            same["probabilities"],
            post(client, own).get_json()["probabilities"],
        ):
            np.testing.assert_allclose(found, first[0], atol=1e-6)
    samples = {sample.name: sample.value for family in here.metrics.collect() for sample in family.samples}
    assert samples["digits_confidence_ratio_count"] == samples["digits_batch_pictures_sum"] == 14


def test_where_the_model_sees_no_digit_there_is_none(tmp_path: Path) -> None:
    unsure = factory.at_temperature(1000)  # ten equal probabilities
    factory.publish(tmp_path, content=unsure, promised=unsure)
    here = open_service(Settings(models_dir=tmp_path, provider="cpu"))
    for client in (door.client_of(Front(here)), create_app(here).test_client()):
        single = post(client, drawing.png(4))
        assert (single.status_code, single.get_json()["code"]) == (422, "no_digit")
        assert "send one digit" in single.get_json()["error"]
        batch = client.post("/predict/batch", json={"images": [base64_of(drawing.png(4))] * 2}).get_json()
        assert [found["code"] for found in batch["predictions"]] == ["no_digit", "no_digit"]
        tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": [0] * 784}
        infer = client.post("/v2/models/mnist-dmlp/infer", json={"inputs": [tensor]}).get_json()
        assert infer["outputs"][0]["data"] == pytest.approx([0.1] * 10, abs=0.01), "tensors get every answer"
    samples = [sample for family in here.metrics.collect() for sample in family.samples]
    assert [sample.value for sample in samples if sample.labels.get("code") == "no_digit"] == [5]  # one by Flask alone
    assert [sample.value for sample in samples if sample.name == "digits_confidence_ratio_count"] == [2]
