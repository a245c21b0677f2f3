"""`/v2`: the Open Inference Protocol, request by request. `test_same_client.py` sends them with Triton's client."""

import json
import shutil
import struct
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from werkzeug.test import Client

import service
from service.http import tensors
from service.http.answering import Request, Service
from service.settings import Settings
from tests import door, factory
from tests.tensors import binary, digits

MODEL = "/v2/models/mnist-dmlp"
INFER = f"{MODEL}/infer"
LENGTH = "Inference-Header-Content-Length"

Images = npt.NDArray[np.uint8]


def tensor(images: Any, datatype: str = "UINT8", **fields: Any) -> dict[str, Any]:
    """Return the images as an input with its data in JSON, nested."""
    return {"name": "images", "shape": list(images.shape), "datatype": datatype, "data": images.tolist(), **fields}


def packed(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def probabilities(response: Any) -> npt.NDArray[np.float32]:
    """Return the output of an answer in JSON or binary, float32 [N, 10]."""
    assert response.status_code == 200, response.get_data()
    body, length = response.get_data(), response.headers.get(LENGTH)
    answer = json.loads(body[: int(length)] if length else body)
    [output] = answer["outputs"]
    assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
    if length is None:
        return np.array(output["data"], np.float32).reshape(output["shape"])
    assert response.mimetype == "application/octet-stream"
    assert output["parameters"]["binary_data_size"] == len(body) - int(length)
    assert "data" not in output
    return np.frombuffer(body[int(length) :], "<f4").reshape(output["shape"])


def refusal(response: Any) -> tuple[int, str, str]:
    body = response.get_json()
    assert set(body) == {"error", "code"}
    assert body["error"].endswith(".")
    return response.status_code, body["code"], body["error"]


@pytest.fixture
def engine(here: Service) -> Any:
    assert here.store.serving
    return here.store.serving.engine


@pytest.fixture
def unready(tmp_path: Path) -> Client:
    """The client of a service that has no model."""
    return door.client_for(Settings(models_dir=tmp_path / "none", provider="cpu"))


def test_server_metadata(client: Client) -> None:
    pyproject = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    answer = client.get("/v2").get_json()
    assert answer["name"] == "digits"
    assert answer["version"] == service.__version__ == pyproject["project"]["version"]
    assert {"binary_tensor_data", "classification"} <= set(answer["extensions"])


def forms(images: Images) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ways in which a client can send the same UINT8 images."""
    flat = {**tensor(images), "data": images.ravel().tolist()}
    rows = {**tensor(images), "data": images.reshape(len(images), 28, 28).tolist()}
    body, header = binary(images.tobytes(), list(images.shape))
    yield "flat", {"json": {"inputs": [flat]}}
    yield "nested", {"json": {"inputs": [rows]}}
    yield "binary", {"data": body, "headers": header}
    yield "no content type", {"data": json.dumps({"inputs": [flat]})}
    text = json.dumps({"inputs": [flat]}).encode()
    yield "all of it JSON", {"data": text, "headers": {LENGTH: str(len(text))}}


@pytest.mark.parametrize("seed", range(3))
def test_every_form_gives_the_answer_of_the_model(client: Client, engine: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (int(random.integers(1, 5)), 28, 28), np.uint8)
    expected = engine.run(images)
    for form, request in forms(images):
        np.testing.assert_array_equal(probabilities(client.post(INFER, **request)), expected, form)
    wanted = {"parameters": {"binary_data_output": True}}
    body, header = binary(images.tobytes(), list(images.shape), **wanted)
    np.testing.assert_array_equal(probabilities(client.post(INFER, data=body, headers=header)), expected)


@pytest.mark.parametrize("seed", range(2))
def test_floats_are_rounded_to_the_levels_of_the_model(client: Client, engine: Any, seed: int) -> None:
    values = np.random.default_rng(seed).random((2, 28, 28), np.float32)
    expected = engine.run(np.rint(values * np.float32(255)).astype(np.uint8))
    body, header = binary(values.tobytes(), [2, 28, 28], "FP32")
    for response in (
        client.post(INFER, json={"inputs": [tensor(values, "FP32")]}),
        client.post(INFER, data=body, headers=header),
    ):
        np.testing.assert_array_equal(probabilities(response), expected)


def test_integers_are_valid_floats(client: Client, engine: Any) -> None:
    images = tensor(np.zeros((1, 28, 28)), "FP32", data=[0, 1] * 392)
    expected = engine.run(np.resize(np.array([0, 255], np.uint8), (1, 28, 28)))
    np.testing.assert_array_equal(probabilities(client.post(INFER, json={"inputs": [images]})), expected)


def test_binary_images_are_not_copied(engine: Any) -> None:
    body, header = binary(bytes(256 * 784), [256, 28, 28])
    images = tensors.read(Request(body, {LENGTH.lower(): header[LENGTH]}), Settings()).images
    assert images is not None
    assert np.shares_memory(images, np.frombuffer(body, np.uint8))
    assert engine.run(images).shape == (256, 10)


@pytest.mark.parametrize(
    ("whole", "output", "expected"),
    [
        ({}, {}, False),
        ({"binary_data_output": True}, {}, True),
        ({"binary_data_output": True}, {"binary_data": False}, False),
        ({"binary_data_output": False}, {"binary_data": True}, True),
        ({"sequence_id": 7, "priority": 1, "timeout": 5, "anything": "else"}, {"anything": None}, False),
    ],
)
def test_parameters_say_how_the_output_comes(
    client: Client, engine: Any, whole: Any, output: Any, expected: bool
) -> None:
    outputs = [{"name": "probabilities", "parameters": output}]
    fields = {"inputs": [tensor(digits(6))], "outputs": outputs, "parameters": whole}
    response = client.post(INFER, json=fields)
    assert (LENGTH in response.headers) is expected
    np.testing.assert_array_equal(probabilities(response), engine.run(digits(6)))


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (11, 10), (10**30, 10)])
@pytest.mark.parametrize("as_binary", [False, True])
def test_classification(client: Client, engine: Any, count: int, columns: int, as_binary: bool) -> None:
    parameters = {"classification": count, "binary_data": as_binary}
    fields = {"inputs": [tensor(digits(5, 2))], "outputs": [{"name": "probabilities", "parameters": parameters}]}
    response = client.post(INFER, json=fields)
    body = response.get_data()
    length = int(response.headers.get(LENGTH, len(body)))
    [output] = json.loads(body[:length])["outputs"]
    expected = []
    for row in engine.run(digits(5, 2)):
        best = sorted(range(10), key=lambda label, row=row: -row[label])[:columns]
        expected += [f"{row[label]:.6f}:{label}:{label}" for label in best]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, columns])
    assert expected[0].endswith(":5:5")
    if as_binary:
        assert body[length:] == packed(*(text.encode() for text in expected))
    else:
        assert output["data"] == expected


PATHS = ["", "/ready", "/config", "/infer"]


def ask(client: Client, path: str) -> Any:
    return client.post(path, json={"inputs": [tensor(digits(7))]}) if path.endswith("/infer") else client.get(path)


@pytest.mark.parametrize("path", PATHS)
def test_another_model_or_version(client: Client, path: str) -> None:
    for model in ("/v2/models/other", "/v2/models/other/versions/1"):
        assert refusal(ask(client, model + path)) == (
            404,
            "not_found",
            "No model 'other' is served: ask for 'mnist-dmlp'.",
        )
    for version in ("2", "01", "latest", "%00"):
        status, code, sentence = refusal(ask(client, f"{MODEL}/versions/{version}{path}"))
        assert (status, code) == (404, "not_found")
        assert sentence.endswith(": ask for 1.")


@pytest.mark.parametrize("path", PATHS)
def test_a_version_that_exists_but_is_not_served(settings: Settings, path: str) -> None:
    factory.publish(settings.models_dir, 2)
    factory.publish(settings.models_dir, 3, content=b"no model")
    client = door.client_for(settings)
    assert ask(client, f"{MODEL}/versions/2{path}").status_code == 200
    for version, why in (("1", "Version 2 is newer and serves."), ("3", "ONNX Runtime cannot load the model")):
        status, code, sentence = refusal(ask(client, f"{MODEL}/versions/{version}{path}"))
        assert (status, code) == (404, "not_found")
        assert sentence.startswith(f"Version {version} does not serve: ask for 2. ")
        assert why in sentence


@pytest.mark.parametrize("path", PATHS)
def test_no_model(unready: Client, path: str) -> None:
    assert refusal(ask(unready, MODEL + path))[:2] == (503, "not_ready")
    assert refusal(ask(unready, f"{MODEL}/versions/1{path}"))[:2] == (503, "not_ready")
    assert refusal(ask(unready, "/v2/models/other" + path))[:2] == (404, "not_found")


def index(client: Client, **request: Any) -> list[Any]:
    rows = client.post("/v2/repository/index", **request).get_json()
    assert all(list(row) == ["name", "version", "state", "reason"] for row in rows)
    assert {row["name"] for row in rows} == {"mnist-dmlp"}
    return [(row["version"], row["state"], row["reason"]) for row in rows]


def test_repository_index(here: Service, client: Client, settings: Settings) -> None:
    store = here.store
    assert index(client) == [("1", "READY", "")]
    factory.publish(settings.models_dir, 2)
    assert index(client) == [("2", "UNAVAILABLE", "It has not been opened yet."), ("1", "READY", "")]
    store.refresh()
    assert index(client) == [("2", "READY", ""), ("1", "UNAVAILABLE", "Version 2 is newer and serves.")]
    factory.publish(settings.models_dir, 3, content=b"no model")
    store.refresh()
    [third, second, _] = index(client)
    assert third[:2] == ("3", "UNAVAILABLE")
    assert "ONNX Runtime cannot load the model" in third[2]
    assert second == ("2", "READY", "")
    assert index(client, json={"ready": True}) == [("2", "READY", "")]
    assert len(index(client, json={"ready": False})) == len(index(client, json={})) == 3


def test_repository_index_of_a_pinned_version(settings: Settings) -> None:
    factory.publish(settings.models_dir, 2)
    client = door.client_for(replace(settings, model_version="1"))
    assert index(client) == [("2", "UNAVAILABLE", "DIGITS_MODEL_VERSION=1 is served."), ("1", "READY", "")]


def test_repository_index_lists_a_served_version_without_files(client: Client, settings: Settings) -> None:
    shutil.rmtree(settings.models_dir)
    assert index(client) == [("1", "READY", "")]


def test_index_reasons_disclose_no_server_path(models_dir: Path, settings: Settings) -> None:
    (factory.publish(models_dir, 2) / "manifest.json").unlink()
    factory.publish(models_dir, 3, edit=lambda fields: fields.update(version="4"))
    rows = door.client_for(settings).post("/v2/repository/index").get_json()
    assert [row["state"] for row in rows] == ["UNAVAILABLE", "UNAVAILABLE", "READY"]
    assert "manifest.json cannot be read" in rows[1]["reason"]
    assert not [row for row in rows if str(models_dir.parent) in row["reason"]]
