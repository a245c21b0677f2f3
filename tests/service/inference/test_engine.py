"""The engine, against numpy: the same affine layer and softmax computed by hand."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from service.contract import INT8_FILE, FileRecord, Manifest
from service.errors import ContractError, ProviderError
from service.inference.engine import Engine, _reason, batch_sizes, open_version, self_test_inputs
from tests import factory


def by_hand(images: Any) -> Any:
    weights, biases, members = (numpy_helper.to_array(tensor) for tensor in factory.graph().graph.initializer)
    logits = images.reshape(len(images), -1).astype(np.float64) @ weights + biases
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True) @ members


@pytest.mark.parametrize("count", [1, 3, 512])
def test_run_computes_what_numpy_computes(count: int) -> None:
    images = self_test_inputs(1, count)
    found = Engine.open(factory.model()).run(images)
    assert (found.shape, found.dtype) == ((count, 10), np.float32)
    np.testing.assert_allclose(found, by_hand(images), atol=1e-5)


def test_threads_may_share_an_engine() -> None:
    engine = Engine.open(factory.model())
    images = self_test_inputs(2, 64)
    expected = engine.run(images)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda place: engine.run(images[place : place + 1]), range(64)))
    np.testing.assert_allclose(np.concatenate(answers), expected, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"no model", factory.model()[:200]])
def test_a_file_that_is_not_onnx_is_rejected(content: bytes) -> None:
    with pytest.raises(ContractError, match="cannot load the model"):
        Engine.open(content)


def test_engine_opened_from_a_version(models_dir: Path) -> None:
    directory = models_dir / "mnist-dmlp" / "1"
    engine = open_version(directory, Manifest.read(directory), provider="cpu")
    assert (engine.provider, engine.file) == ("cpu", "model.onnx")


def test_cpu_serves_int8_if_available(tmp_path: Path) -> None:
    def add_int8(fields: dict[str, Any]) -> None:
        record: FileRecord = fields["files"]["model.onnx"]
        fields["files"][INT8_FILE] = record
        for table in (fields["self_test"].expected, fields["self_test"].tolerance):
            table[INT8_FILE] = table["model.onnx"]

    directory = factory.publish(tmp_path, edit=add_int8)
    (directory / INT8_FILE).write_bytes((directory / "model.onnx").read_bytes())
    assert open_version(directory, Manifest.read(directory), provider="cpu").file == INT8_FILE


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="ONNX Runtime has CUDA here")
def test_without_cuda_it_is_rejected_and_auto_uses_the_cpu(models_dir: Path) -> None:
    directory = models_dir / "mnist-dmlp" / "1"
    manifest = Manifest.read(directory)
    with pytest.raises(ProviderError, match="serve-cuda"):
        open_version(directory, manifest, provider="cuda")
    assert open_version(directory, manifest, provider="auto").provider == "cpu"


def test_self_test_images_are_the_same_everywhere() -> None:
    images = self_test_inputs(7, 2)
    assert (images.shape, images.dtype) == ((2, 28, 28), np.uint8)
    assert images[0, ::4, ::4].tolist() == self_test_inputs(7, 5)[0, ::4, ::4].tolist()
    assert 0.2 < (images > 0).mean() < 0.6


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (6, [1, 2, 4, 6]), (256, [1, 2, 4, 8, 16, 32, 64, 128, 256])],
)
def test_warming_up_runs_the_powers_of_two_and_the_most(most: int, sizes: list[int]) -> None:
    assert batch_sizes(most) == sizes
    session = Recording()
    Engine(session, "cpu", "model.onnx").warm_up(most)
    assert session.sizes == sizes


def test_a_gpu_with_too_little_memory_is_not_used() -> None:
    with pytest.raises(ProviderError, match=r"run 4 images at a time: raise DIGITS_GPU_MEMORY_MB, .* Out of memory\.$"):
        Engine(Recording(largest=3), "cuda", "model.onnx").warm_up(8)


class Recording:
    """Stands in for a session: records batch sizes, and fails above `largest`."""

    def __init__(self, largest: int = 1 << 16) -> None:
        self.sizes: list[int] = []
        self._largest = largest

    def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
        size = len(given["images"])
        self.sizes.append(size)
        if size > self._largest:
            raise RuntimeError("Out of memory.\nat some place")
        return [np.zeros((size, len(names) * 10), np.float32)]


def test_cuda_errors_are_reported_without_source_location() -> None:
    said = "provider.cc:154 CudaCall(ERRTYPE) CUDA failure 35: driver too old ; GPU=-1 ; hostname=h ; file=/a.cc ;\n"
    assert _reason(RuntimeError(said)) == "CUDA failure 35: driver too old"
    assert _reason(RuntimeError("It is no graph.\nmore")) == "It is no graph"
