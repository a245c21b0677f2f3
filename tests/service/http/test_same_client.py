"""One client, two servers: what Triton and the service both answer, on the models directory of this repository.

Triton's part runs where one serves that directory: TRITON_URL=HOST:PORT of its HTTP port.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from service.contract import FLOAT32_FILE, INPUT_NAME, MODEL_NAME, OUTPUT_NAME, Manifest
from service.inference.engine import Images, self_test_inputs
from tests.server import ROOT, running

NEWEST = max((path for path in (ROOT / "models" / MODEL_NAME).iterdir() if path.is_dir()), key=lambda p: int(p.name))
MANIFEST = Manifest.read(NEWEST)


@dataclass(frozen=True)
class Answering:
    """A client of a server, and the file of the newest version that runs there."""

    client: InferenceServerClient
    file: str


@pytest.fixture(scope="module", params=["service", "triton"])
def server(request: pytest.FixtureRequest) -> Iterator[Answering]:
    if request.param == "triton":
        url = os.environ.get("TRITON_URL")
        if not url:
            pytest.skip("needs a Triton that serves models/: set TRITON_URL to HOST:PORT")
        with InferenceServerClient(url) as client:
            yield Answering(client, FLOAT32_FILE)
    else:
        with running(MODELS_DIR=ROOT / "models") as started:
            ready = started.wait_for("/readyz")
            with InferenceServerClient(f"127.0.0.1:{started.port}") as client:
                yield Answering(client, ready["file"])


def images(values: Images, **options: Any) -> list[InferInput]:
    tensor = InferInput(INPUT_NAME, list(values.shape), "UINT8")
    tensor.set_data_from_numpy(values, **options)
    return [tensor]


def inputs() -> Images:
    return self_test_inputs(MANIFEST.self_test.seed, MANIFEST.self_test.count)


def test_health_and_metadata(server: Answering) -> None:
    assert server.client.is_server_live()
    assert server.client.is_server_ready()
    assert server.client.is_model_ready(MODEL_NAME)
    assert server.client.is_model_ready(MODEL_NAME, NEWEST.name)
    assert server.client.get_model_metadata(MODEL_NAME) == {
        "name": MODEL_NAME,
        "versions": [NEWEST.name],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, 28, 28]}],
        "outputs": [{"name": OUTPUT_NAME, "datatype": "FP32", "shape": [-1, 10]}],
    }
    assert server.client.get_model_config(MODEL_NAME)["max_batch_size"] == 256


@pytest.mark.parametrize("binary", [True, False])
def test_probabilities(server: Answering, binary: bool) -> None:
    """Both give the answers that were published, in JSON and as binary data."""
    wanted = [InferRequestedOutput(OUTPUT_NAME, binary_data=binary)]
    result = server.client.infer(MODEL_NAME, images(inputs(), binary_data=binary), outputs=wanted, request_id="7")
    assert (result.get_response()["id"], result.get_response()["model_version"]) == ("7", NEWEST.name)
    expected = np.asarray(MANIFEST.self_test.expected[server.file])
    tolerance = MANIFEST.self_test.tolerance[server.file]
    np.testing.assert_allclose(result.as_numpy(OUTPUT_NAME), expected, rtol=0, atol=tolerance)


def test_classification_with_labels(server: Answering) -> None:
    result = server.client.infer(
        MODEL_NAME, images(inputs()), outputs=[InferRequestedOutput(OUTPUT_NAME, class_count=2)]
    )
    expected = server.client.infer(MODEL_NAME, images(inputs())).as_numpy(OUTPUT_NAME)
    for row, probabilities in zip(result.as_numpy(OUTPUT_NAME), expected, strict=True):
        value, index, label = row[0].decode().split(":")
        assert index == label == str(probabilities.argmax())
        assert float(value) == pytest.approx(probabilities.max(), abs=1e-6)


def test_repository_index(server: Answering) -> None:
    ready = [row for row in server.client.get_model_repository_index() if row["state"] == "READY"]
    assert [(row["name"], row["version"]) for row in ready] == [(MODEL_NAME, NEWEST.name)]


@pytest.mark.parametrize("shape", [(257, 28, 28), (1, 784), (1, 27, 28)])
def test_refusals(server: Answering, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceServerException):
        server.client.infer(MODEL_NAME, images(np.zeros(shape, np.uint8)))
