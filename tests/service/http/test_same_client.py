"""The same requests to the service and to Triton, on the models directory of this repository.

TRITON_URL=HOST:PORT names the HTTP port of a Triton that serves this directory.
"""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
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
    url: str

    @property
    def is_triton(self) -> bool:
        """Whether it is Triton."""
        return bool(self.client.get_server_metadata()["name"] == "triton")

    def ask(self, path: str, body: bytes | None, **headers: str) -> tuple[int, bytes]:
        """Return the status and the body of the answer; without a body the request is a GET."""
        with closing(HTTPConnection(self.url, timeout=30)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module", params=["service", "triton"])
def server(request: pytest.FixtureRequest) -> Iterator[Answering]:
    if request.param == "triton":
        url = os.environ.get("TRITON_URL")
        if not url:
            pytest.skip("needs a Triton that serves models/: set TRITON_URL to HOST:PORT")
        with InferenceServerClient(url, concurrency=4) as client:
            yield Answering(client, FLOAT32_FILE, url)
    else:
        with running(MODELS_DIR=ROOT / "models") as started:
            ready = started.wait_for("/readyz")
            url = f"127.0.0.1:{started.port}"
            with InferenceServerClient(url, concurrency=4) as client:
                yield Answering(client, ready["file"], url)


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
    assert not server.client.is_model_ready(MODEL_NAME, "99")
    assert not server.client.is_model_ready("other")
    metadata = server.client.get_model_metadata(MODEL_NAME)
    assert metadata.pop("platform")  # of whichever backend runs the model
    assert metadata == {
        "name": MODEL_NAME,
        "versions": [NEWEST.name],
        "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, 28, 28]}],
        "outputs": [{"name": OUTPUT_NAME, "datatype": "FP32", "shape": [-1, 10]}],
    }


def test_config(server: Answering) -> None:
    config = server.client.get_model_config(MODEL_NAME)
    assert config["max_batch_size"] == 256
    [image], [probabilities] = config["input"], config["output"]
    assert (image["name"], image["data_type"], image["dims"]) == (INPUT_NAME, "TYPE_UINT8", [28, 28])
    assert (probabilities["name"], probabilities["data_type"]) == (OUTPUT_NAME, "TYPE_FP32")
    assert (probabilities["dims"], probabilities["label_filename"]) == ([10], "labels.txt")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_probabilities(server: Answering, binary_in: bool, binary_out: bool | None) -> None:
    """Both give the answers that were published, in JSON and as binary data, which is the client's default."""
    wanted = None if binary_out is None else [InferRequestedOutput(OUTPUT_NAME, binary_data=binary_out)]
    sent, more = images(inputs(), binary_data=binary_in), {"priority": 1, "timeout": 1_000_000}
    result = server.client.infer(MODEL_NAME, sent, NEWEST.name, outputs=wanted, request_id="a request", **more)
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (MODEL_NAME, NEWEST.name, "a request")
    if binary_out is not False:
        assert answer["outputs"][0]["parameters"] == {"binary_data_size": len(inputs()) * 10 * 4}
    check_published(server, result)


def check_published(server: Answering, result: InferResult) -> None:
    expected = np.asarray(MANIFEST.self_test.expected[server.file])
    tolerance = MANIFEST.self_test.tolerance[server.file]
    np.testing.assert_allclose(result.as_numpy(OUTPUT_NAME), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("compressed", ["request", "response"])
def test_requests_and_answers_may_be_compressed(server: Answering, compressed: str, algorithm: str) -> None:
    options = {f"{compressed}_compression_algorithm": algorithm}
    check_published(server, server.client.infer(MODEL_NAME, images(inputs()), **options))
    full = np.resize(inputs(), (256, 28, 28))
    assert server.client.infer(MODEL_NAME, images(full), **options).as_numpy(OUTPUT_NAME).shape == (256, 10)


def test_many_at_once(server: Answering) -> None:
    asked = [server.client.async_infer(MODEL_NAME, images(inputs()), request_id=str(number)) for number in range(40)]
    for number, request in enumerate(asked):
        result = request.get_result()
        assert result.get_response()["id"] == str(number)
        check_published(server, result)


def test_classification_with_labels(server: Answering) -> None:
    result = server.client.infer(
        MODEL_NAME, images(inputs()), outputs=[InferRequestedOutput(OUTPUT_NAME, class_count=2)]
    )
    expected = server.client.infer(MODEL_NAME, images(inputs())).as_numpy(OUTPUT_NAME)
    for row, probabilities in zip(result.as_numpy(OUTPUT_NAME), expected, strict=True):
        value, index, label = row[0].decode().split(":")
        assert index == label == str(probabilities.argmax())
        assert float(value) == pytest.approx(probabilities.max(), abs=1e-6)


@pytest.mark.parametrize("asked", [b"", b"{}", b'{"ready": true}', b'{"ready": false}'])
def test_repository_index(server: Answering, asked: bytes) -> None:
    status, answer = server.ask("/v2/repository/index", asked)
    ready = [row for row in json.loads(answer) if row["state"] == "READY"]
    assert status == 200
    assert [(row["name"], row["version"]) for row in ready] == [(MODEL_NAME, NEWEST.name)]


@pytest.mark.parametrize("path", [f"/v2/models/{MODEL_NAME}/stats", "/v2/models/stats"])
def test_statistics(server: Answering, path: str) -> None:
    """A request of three images counts as three inferences and one success."""

    def counted() -> tuple[int, int]:
        [row] = json.loads(server.ask(path, None)[1])["model_stats"]
        assert (row["name"], row["version"]) == (MODEL_NAME, NEWEST.name)
        return row["inference_count"], row["inference_stats"]["success"]["count"]

    before = counted()
    server.client.infer(MODEL_NAME, images(np.zeros((3, 28, 28), np.uint8)))
    assert np.subtract(counted(), before).tolist() == [3, 1]


@pytest.mark.parametrize("shape", [(257, 28, 28), (1, 784), (1, 27, 28)])
def test_shapes_refused(server: Answering, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceServerException):
        server.client.infer(MODEL_NAME, images(np.zeros(shape, np.uint8)))


IMAGE: dict[str, Any] = {"name": INPUT_NAME, "datatype": "UINT8", "shape": [1, 28, 28], "data": [0] * 784}
INFER = f"/v2/models/{MODEL_NAME}/infer"


def request(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": inputs, **more}).encode()


def wanted(**parameters: Any) -> Any:
    return [{"name": OUTPUT_NAME, "parameters": parameters}]


def without(name: str) -> Any:
    return {key: value for key, value in IMAGE.items() if key != name}


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (request(IMAGE), [1, 10]),
        (request({**IMAGE, "data": [[[0] * 28] * 28]}), [1, 10]),
        (request(IMAGE, outputs=[]), [1, 10]),
        (request(IMAGE, parameters={"ours": "a", "priority": 1, "timeout": 1_000_000}), [1, 10]),
        (request(IMAGE, unknown=1), [1, 10]),
        (request(IMAGE, outputs=wanted(classification=2)), [1, 2]),
        (request(IMAGE, outputs=wanted(classification=0)), [1, 10]),
        (request(IMAGE, outputs=wanted(classification=99)), [1, 10]),
    ],
)
def test_both_answer(server: Answering, body: bytes, shape: list[int]) -> None:
    status, answer = server.ask(INFER, body)
    [output] = json.loads(answer)["outputs"]
    assert (status, output["name"], output["shape"]) == (200, OUTPUT_NAME, shape)


@pytest.mark.parametrize("name", ["7", "x y", "", "a" * 200])
def test_id_comes_back(server: Answering, name: str) -> None:
    answer = json.loads(server.ask(INFER, request(IMAGE, id=name))[1])
    assert answer.get("id", "") == name


def test_a_request_can_ask_for_binary_output(server: Answering) -> None:
    body = request(IMAGE, parameters={"binary_data_output": True})
    status, answer = server.ask(INFER, body)
    head, raw = answer[:-40], answer[-40:]
    assert (status, json.loads(head)["outputs"][0]["parameters"]) == (200, {"binary_data_size": 40})
    assert np.frombuffer(raw, "<f4").sum() == pytest.approx(1, abs=1e-5)


REFUSED = {
    "wrong name": request({**IMAGE, "name": "x"}),
    "two inputs": request(IMAGE, IMAGE),
    "no input": request(),
    "no inputs": b"{}",
    "inputs are no list": b'{"inputs": {}}',
    "no JSON": b"x",
    "nothing": b"",
    "a list": b"[]",
    "more than JSON": request(IMAGE) + b"x",
    "BYTES that are no picture": request({**IMAGE, "datatype": "BYTES", "shape": [1], "data": ["a"]}),
    "unknown datatype": request({**IMAGE, "datatype": "X"}),
    "short data": request({**IMAGE, "data": [0] * 783}),
    "long data": request({**IMAGE, "data": [0] * 785}),
    "negative": request({**IMAGE, "data": [-1] * 784}),
    "fractions": request({**IMAGE, "data": [1.5] * 784}),
    "text": request({**IMAGE, "data": ["a"] * 784}),
    "null": request({**IMAGE, "data": [None] * 784}),
    "booleans": request({**IMAGE, "data": [True] * 784}),
    "negative shape": request({**IMAGE, "shape": [-1, 28, 28]}),
    "empty shape": request({**IMAGE, "shape": [0, 28, 28], "data": []}),
    "shape is no list": request({**IMAGE, "shape": "a"}),
    "huge shape": request({**IMAGE, "shape": [1 << 62, 28, 28]}),
    "no data": request(without("data")),
    "no shape": request(without("shape")),
    "no datatype": request(without("datatype")),
    "id is no text": request(IMAGE, id=7),
    "parameters are no object": request(IMAGE, parameters=[1]),
    "unknown output": request(IMAGE, outputs=[{"name": "x"}]),
    "negative classification": request(IMAGE, outputs=wanted(classification=-1)),
    "classification is no number": request(IMAGE, outputs=wanted(classification="a")),
}


def sized(said: int, sent: int) -> tuple[str, bytes, str]:
    """Return an inference whose binary data has another size than it says."""
    head = request({**without("data"), "parameters": {"binary_data_size": said}})
    return INFER, head + bytes(sent), str(len(head))


OTHER = f"/v2/models/{MODEL_NAME}/versions/99"
ALSO_REFUSED: dict[str, tuple[str, bytes | None, str | None]] = {
    **{f"a JSON length of {length}": (INFER, request(IMAGE), length) for length in ("-1", "99999", "a")},
    **{f"{sent} bytes, not {said}": sized(said, sent) for said, sent in ((784, 700), (784, 800), (785, 785))},
    **{f"GET {path}": (path, None, None) for path in ("/v2/models/none", OTHER, "/v2/models/none/ready", INFER)},
    **{f"POST {path}": (path, request(IMAGE), None) for path in ("/v2/models/none/infer", f"{OTHER}/infer")},
    **{name: (INFER, body, None) for name, body in REFUSED.items()},
}


@pytest.mark.parametrize("case", ALSO_REFUSED)
def test_both_refuse(server: Answering, case: str) -> None:
    """The answer is an error in JSON; Triton answers some client errors with 500."""
    path, body, length = ALSO_REFUSED[case]
    status, answer = server.ask(path, body, **({"Inference_Header_Content_Length": length} if length else {}))
    assert 400 <= status < (600 if server.is_triton else 500)
    if status != 405:  # Triton's has no body
        assert json.loads(answer)["error"]


@pytest.mark.parametrize("datatype", ["FP32", "INT64"])
def test_only_the_service_takes_other_numbers(server: Answering, datatype: str) -> None:
    assert server.ask(INFER, request({**IMAGE, "datatype": datatype}))[0] == (400 if server.is_triton else 200)


def test_only_triton_takes_a_grey_level_above_255(server: Answering) -> None:
    """It keeps the lowest eight bits and answers for another picture."""
    assert server.ask(INFER, request({**IMAGE, "data": [256] * 784}))[0] == (200 if server.is_triton else 400)
