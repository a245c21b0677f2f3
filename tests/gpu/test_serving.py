"""A GPU gives the answers of the CPU. Without a GPU the CPU is compared with itself.

`make gpu-tests` runs this in an environment with CUDA.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from service.contract import FLOAT32_FILE, Manifest
from service.errors import ProviderError
from service.inference.engine import Engine, Provider, batch_sizes, open_version
from service.settings import Settings, has_gpu
from tests import crowd, factory
from tests.server import ROOT, Server, running
from training.data import mnist

TOLERANCE = 1e-4  # of a probability, between CUDA and the CPU
[NEWEST] = sorted((ROOT / "models" / "mnist-dmlp").glob("[0-9]*"))[-1:]

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_gpu(), reason="no GPU: NVIDIA's driver has found none"),
    pytest.mark.skipif(
        "CUDAExecutionProvider" not in ort.get_available_providers(),
        reason="this ONNX Runtime is not made for CUDA: run `make gpu-tests`",
    ),
]
cuda = pytest.mark.parametrize("provider", [pytest.param("cuda", marks=needs_gpu)])


@pytest.fixture(scope="module")
def model() -> bytes:
    """The published model in float32, which every provider runs."""
    return Manifest.read(NEWEST).read_file(NEWEST, FLOAT32_FILE)


@pytest.fixture(scope="module")
def cpu(model: bytes) -> Engine:
    """The reference."""
    return Engine.open(model)


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=needs_gpu)])
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture(scope="module")
def engine(model: bytes, provider: Provider) -> Engine:
    """The same model on the tested provider."""
    return Engine.open(model, provider=provider)


@pytest.fixture(scope="module")
def pictures() -> Any:
    return crowd.pictures(2000, seed=1)


def check_same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_all_test_digits_are_answered_as_on_the_cpu(engine: Engine, cpu: Engine, mnist_dir: Path) -> None:
    digits = mnist.load(mnist_dir).test_images
    assert len(digits) == 10_000
    parts = range(0, len(digits), 256)
    found = np.concatenate([engine.run(digits[start : start + 256]) for start in parts])
    check_same(found, np.concatenate([cpu.run(digits[start : start + 256]) for start in parts]))


@pytest.mark.parametrize("size", [*batch_sizes(256), 3, 100, 255, 2000])
def test_every_size_of_batch_is_answered_as_on_the_cpu(engine: Engine, cpu: Engine, pictures: Any, size: int) -> None:
    check_same(engine.run(pictures[:size]), cpu.run(pictures[:size]))


def test_threads_at_once_get_their_own_answers(engine: Engine, cpu: Engine, pictures: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda place: engine.run(pictures[place : place + 1])[0], range(len(pictures)))
        check_same(np.stack(list(found)), cpu.run(pictures))


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = tmp_path_factory.mktemp("models")
    factory.publish(models)
    settings = {"PROVIDER": provider, "THREADS": 16}
    with running(MODELS_DIR=models, **settings) as started:
        started.wait_for("/readyz", seconds=120)
        yield started


def test_the_service_reports_its_provider(server: Server, provider: Provider) -> None:
    assert server.wait_for("/readyz")["provider"] == provider


def test_requests_sharing_a_run_get_their_own_answers(server: Server, pictures: Any) -> None:
    answers = crowd.ask(server, pictures)
    crowd.check(answers, pictures, {"1": Engine.open(factory.model())}, tolerance=TOLERANCE)
    assert crowd.pictures_a_run(server) > 2, "nothing was shared"


@cuda
def test_the_options_are_in_effect(model: bytes, provider: Provider) -> None:
    engine = Engine.open(model, provider=provider, gpu_memory_mb=64)
    found = engine.session.get_provider_options()["CUDAExecutionProvider"]
    assert found["gpu_mem_limit"] == str(64 << 20)
    assert found["arena_extend_strategy"] == "kSameAsRequested"
    assert found["use_tf32"] == "0"


@cuda
def test_the_memory_limit_holds_and_the_service_recovers(model: bytes, cpu: Engine, provider: Provider) -> None:
    engine = Engine.open(model, provider=provider, gpu_memory_mb=64)
    with pytest.raises(ProviderError, match="DIGITS_GPU_MEMORY_MB"):
        engine.warm_up(1 << 16)  # 200 MB of pixels as float32 alone
    few = crowd.pictures(8, seed=2)
    check_same(engine.run(few), cpu.run(few))


@cuda
def test_auto_uses_the_gpu_with_float32_and_one_process(provider: Provider) -> None:
    found = open_version(NEWEST, Manifest.read(NEWEST), provider="auto", max_batch=256)
    assert (found.provider, found.file) == (provider, FLOAT32_FILE)
    assert Settings.from_environ({}).workers == 1
