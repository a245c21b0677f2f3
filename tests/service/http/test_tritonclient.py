"""The `tritonclient[http]` package against the real server; test_same_client.py compares the answers with Triton's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from service.inference.engine import Engine
from service.inference.store import ModelStore
from service.settings import Settings
from tests import drawing, factory
from tests.server import Server, serving
from tests.tensors import digits

MODEL = "mnist-dmlp"
LABELS = [3, 1, 4, 5, 9]
FILES = np.array([drawing.png(label) for label in LABELS], np.object_)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    factory.publish(directory, 1)
    factory.publish(directory, 2)
    factory.publish(directory, 3, content=b"no model")
    return directory


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with serving(MODELS_DIR=models, WORKERS=2) as started:
        yield started


@pytest.fixture(scope="module")
def triton(server: Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4) as client:
        yield client


@pytest.fixture(scope="module")
def engine(models: Path) -> Engine:
    store = ModelStore(Settings(models_dir=models, provider="cpu"))
    store.refresh()
    assert store.serving
    return store.serving.engine


def images(values: npt.NDArray[Any], datatype: str = "UINT8", **options: Any) -> list[InferInput]:
    tensor = InferInput("images", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, **options)
    return [tensor]


def output(**options: Any) -> list[InferRequestedOutput]:
    return [InferRequestedOutput("probabilities", **options)]


def test_live_and_ready(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(MODEL)
    assert triton.is_model_ready(MODEL, "2")
    assert not triton.is_model_ready(MODEL, "1")
    assert not triton.is_model_ready(MODEL, "7")
    assert not triton.is_model_ready("other")
    assert [row["state"] for row in triton.get_model_repository_index()] == ["UNAVAILABLE", "READY", "UNAVAILABLE"]
    assert triton.get_model_metadata(MODEL, "2")["versions"] == ["2"]


def test_defaults(triton: InferenceServerClient, engine: Engine) -> None:
    result = triton.infer(MODEL, images(digits(*LABELS)))
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], "id" in answer) == (MODEL, "2", False)
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": len(LABELS) * 10 * 4}
    np.testing.assert_array_equal(result.as_numpy("probabilities"), engine.run(digits(*LABELS)))
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == LABELS
    assert result.as_numpy("digit") is None


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_each_form(
    triton: InferenceServerClient, engine: Engine, binary_in: bool, binary_out: bool | None, datatype: str
) -> None:
    sent = digits(*LABELS) if datatype == "UINT8" else digits(*LABELS) / np.float32(255)
    result = triton.infer(
        MODEL,
        images(sent, datatype, binary_data=binary_in),
        "2",
        outputs=None if binary_out is None else output(binary_data=binary_out),
        request_id="a request",
        parameters={"anything": 1},
        priority=1,
        timeout=1_000_000,
    )
    assert result.get_response()["id"] == "a request"
    np.testing.assert_array_equal(result.as_numpy("probabilities"), engine.run(digits(*LABELS)))


def test_many_at_once(triton: InferenceServerClient, engine: Engine) -> None:
    requests = [triton.async_infer(MODEL, images(digits(*LABELS)), request_id=str(number)) for number in range(40)]
    for number, request in enumerate(requests):
        result = request.get_result()
        assert result.get_response()["id"] == str(number)
        np.testing.assert_array_equal(result.as_numpy("probabilities"), engine.run(digits(*LABELS)))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_an_answer_may_be_compressed(triton: InferenceServerClient, engine: Engine, algorithm: str) -> None:
    result = triton.infer(MODEL, images(digits(*LABELS)), response_compression_algorithm=algorithm)
    np.testing.assert_array_equal(result.as_numpy("probabilities"), engine.run(digits(*LABELS)))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request(triton: InferenceServerClient, engine: Engine, algorithm: str) -> None:
    for sent in (digits(*LABELS), np.resize(digits(*LABELS), (256, 28, 28))):
        result = triton.infer(MODEL, images(sent), request_compression_algorithm=algorithm)
        np.testing.assert_array_equal(result.as_numpy("probabilities"), engine.run(sent))
