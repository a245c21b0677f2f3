"""KServe's V1 protocol: grey levels and pictures as instances."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client

from service.http.app import open_service
from service.http.front import Front
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_digit
from service.settings import Settings
from tests import door, drawing, factory

MODEL = "/v1/models/mnist-dmlp"


def levels(digit: int) -> list[list[int]]:
    found: list[list[int]] = canonical_digit(decode(drawing.png(digit), max_pixels=100_000)).tolist()
    return found


def b64(digit: int) -> dict[str, str]:
    return {"b64": base64.b64encode(drawing.png(digit)).decode()}


def predict(client: Client, *instances: Any, **more: Any) -> Any:
    return client.post(f"{MODEL}:predict", json={"instances": instances, **more})


def digits(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json().keys() == {"predictions"}
    return [found["digit"] for found in answer.get_json()["predictions"]]


def test_grey_levels_numbers_and_pictures_are_read(client: Client) -> None:
    fractions = (np.array(levels(7)) / 255).tolist()
    assert digits(predict(client, levels(3), levels(5))) == [3, 5]
    assert digits(predict(client, fractions)) == [7]
    assert digits(predict(client, b64(3), b64(5), b64(8))) == [3, 5, 8]


def test_an_answer_is_that_of_predict(client: Client) -> None:
    plain = client.post("/predict", data=drawing.png(7), content_type="image/png").get_json()
    [row] = predict(client, b64(7), signature_name="serving_default").get_json()["predictions"]
    assert row == {name: plain[name] for name in ("digit", "confidence", "certain", "probabilities")}
    assert predict(client, levels(7)).get_json()["predictions"] == [row]


def test_where_the_model_sees_no_digit_the_request_fails(tmp_path: Path) -> None:
    unsure = factory.at_temperature(1000)  # ten equal probabilities
    factory.publish(tmp_path, content=unsure, promised=unsure)
    client = door.client_for(Settings(models_dir=tmp_path, provider="cpu"))
    for instance in (b64(7), levels(7)):
        answer = predict(client, instance)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "no_digit")
        assert answer.get_json()["error"].startswith("instances[0]: ")


@pytest.mark.parametrize(
    ("instances", "words"),
    [
        ([], "of length >= 1"),
        ([[0] * 784], "got `int`"),
        ([[[0] * 28] * 27], "of length >= 28"),
        ([[[0] * 27] * 28], "of length >= 28"),
        ([[["0"] * 28] * 28], "got `str`"),
        ([[[True] * 28] * 28], "got `bool`"),
        ([[[300] * 28] * 28], "whole grey levels"),
        ([[[0.5] * 28] * 27 + [[2] * 28]], "whole grey levels"),
        ([{"bytes": ""}], "missing required field `b64`"),
        ([{"b64": "?"}], "instances[0]: The picture is not base64"),
        ([b64(3), {"b64": ""}], "instances[1]: The picture is empty"),
        ([b64(3), [[0] * 28] * 28], "mixes two kinds"),
        (7, "got `int`"),
    ],
)
def test_the_error_for_invalid_instances_says_what_is_accepted(client: Client, instances: Any, words: str) -> None:
    answer = client.post(f"{MODEL}:predict", json={"instances": instances})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed_request")
    assert words in answer.get_json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"inputs": []}', b"[" * 5000, b"\xff"])
def test_an_invalid_message_is_rejected(client: Client, body: bytes) -> None:
    answer = client.post(f"{MODEL}:predict", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed_request")
    assert '{"instances": [...]}' in answer.get_json()["error"]


def test_one_unreadable_picture_rejects_the_request_and_is_named(client: Client) -> None:
    answer = predict(client, b64(3), {"b64": base64.b64encode(b"no picture").decode()})
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_image")
    assert answer.get_json()["error"].startswith("instances[1]: ")


def test_more_than_allowed_is_413(client: Client) -> None:
    assert predict(client, *[b64(3)] * 4).status_code == 200
    assert predict(client, *[b64(3)] * 5).status_code == 413


def test_models_and_whether_they_serve(client: Client) -> None:
    assert client.get("/v1/models").get_json() == {"models": ["mnist-dmlp"]}
    assert client.get(MODEL).get_json() == {"name": "mnist-dmlp", "ready": True}
    assert client.get("/").get_json()["status"] == "alive"
    for answer in (client.get("/v1/models/other"), client.post("/v1/models/other:predict", data=b"{}")):
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_without_a_model_it_is_503(tmp_path: Any) -> None:
    unready = door.client_of(Front(open_service(Settings(models_dir=tmp_path, provider="cpu"))))
    assert unready.get("/v1/models").get_json() == {"models": []}
    for answer in (unready.get(MODEL), predict(unready, b64(3))):
        assert (answer.status_code, answer.get_json()["code"]) == (503, "not_ready")
