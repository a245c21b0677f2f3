import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from training.errors import DeviceError
from training.fitting import device

pytestmark = pytest.mark.usefixtures("precision_policy")

_TWO_DEVICES = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from service.inference.engine import Engine
from tests.training import drawn
from training.fitting import device, fit
from training.fitting.run import Run
from training.release import evaluate, export

data, recipe = drawn.mnist(), drawn.RECIPE
strategy = tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"])
device.is_gpu = lambda _: True
run = Run.open(Path(sys.argv[1]), recipe, recipe.epochs, 1, data, resume=False)
fitted = fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, strategy=strategy)
graph = export.export_float32(fitted.model, 1.0, recipe)
found = Engine.open(graph).run(data.test_images)
logits = fitted.model.predict(data.test_images.astype("float32"), verbose=0)
assert np.abs(found - evaluate.probabilities(logits, 1.0)).max() < 1e-5
print(device.describe(strategy), len(fitted.history), np.mean(found.argmax(axis=1) == data.test_labels))
"""

_AS_ONE_DEVICE = """
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from tests.training import drawn
from training.fitting import fit
from training.fitting.run import Run
from training.model import network

keras.mixed_precision.set_global_policy(sys.argv[2])
compile_for = network.compile_for


def compile_for_overflow(model, *given, **named):
    compile_for(model, *given, **named)
    model.optimizer.dynamic_growth_steps = 4  # float16 overflows every few steps, mostly on one device alone


network.compile_for = compile_for_overflow
data, recipe = drawn.mnist(), replace(drawn.RECIPE, optimizer="sgd", learning_rate=0.1, deformation=None)
losses = []
for strategy in (tf.distribute.OneDeviceStrategy("/CPU:0"), tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"])):
    run = Run.open(Path(sys.argv[1]) / str(len(losses)), recipe, 4, 1, data, resume=False)
    fitted = fit.fit(recipe, data, run, seed=1, epochs=4, strategy=strategy)
    losses.append([entry["loss"] for entry in fitted.history])
np.testing.assert_allclose(losses[1], losses[0], rtol=float(sys.argv[3]))
"""


@pytest.fixture
def no_gpu() -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU, and the test is about one that has none")


@pytest.mark.usefixtures("no_gpu")
def test_a_required_gpu_must_exist() -> None:
    with pytest.raises(DeviceError) as caught:
        device.strategy("gpu")
    assert "\n" not in str(caught.value)
    assert "sees no GPU" in str(caught.value)
    assert "--device cpu" in str(caught.value)


@pytest.mark.usefixtures("no_gpu")
def test_auto_uses_the_cpu_without_a_gpu() -> None:
    assert device.describe(device.strategy("auto")) == "CPU"


def test_cpu_places_variables_there() -> None:
    chosen = device.strategy("cpu")
    assert device.describe(chosen) == "CPU"
    with chosen.scope():
        assert "CPU:0" in tf.Variable(1.0).device


@pytest.mark.parametrize(("mixed", "policy"), [(True, "mixed_bfloat16"), (False, "float32")])
def test_strategy_sets_the_precision_of_layers_to_come(mixed: bool, policy: str) -> None:
    device.strategy("cpu", mixed_precision=mixed)
    assert keras.layers.Dense(1).dtype_policy.name == policy


def test_out_of_memory_gets_one_line() -> None:
    with pytest.raises(DeviceError, match="too little memory") as caught, device.failures_explained():
        tf.zeros([1 << 20, 1 << 20, 64])  # 256 TiB
    assert "\n" not in str(caught.value)
    assert "--device cpu" in str(caught.value)
    assert "--resume" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 byte",
        "Failed copying input tensor from CPU:0 to GPU:0 in order to run _EagerConst: Dst tensor is not initialized.",
        "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    ],
)
def test_a_full_gpu_says_so_in_several_ways(words: str) -> None:
    with pytest.raises(DeviceError, match="too little memory"), device.failures_explained():
        raise tf.errors.InternalError(None, None, words)


def test_a_gpu_that_cannot_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_device: str) -> None:
        raise tf.errors.InternalError(None, None, "cudaSetDevice() failed\nin two lines")

    monkeypatch.setattr(tf.distribute, "OneDeviceStrategy", fail)
    with pytest.raises(DeviceError, match=r"^TensorFlow failed \(cudaSetDevice\(\) failed\)\. [^\n]*$"):
        device.strategy("cpu")


def test_other_tensorflow_errors_are_one_line() -> None:
    with pytest.raises(DeviceError, match="TensorFlow failed") as caught, device.failures_explained():
        tf.linalg.inv(tf.zeros([2, 2]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("devices", "images", "cores", "policy", "wins"),
    [
        ("/GPU:0", 10**6, 16, "mixed_float16", True),
        ("/GPU:0", 10**5, 16, "float32", False),
        ("/CPU:0", 10**6, 2, "float32", True),
        ("/CPU:0", 10**5, 2, "float32", False),
        ("/CPU:0", 10**6, 2, "mixed_bfloat16", False),
        ("/CPU:0", 10**6, 16, "float32", False),
    ],
)
def test_xla_is_for_what_it_was_measured_to_make_faster(
    devices: str, images: int, cores: int, policy: str, wins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "available_cpus", lambda: cores)
    monkeypatch.setattr("keras.mixed_precision.global_policy", lambda: keras.mixed_precision.Policy(policy))
    assert device.wins_by_xla(tf.distribute.OneDeviceStrategy(devices), images) == wins


def test_memory_growth_is_set_before_tensorflow_starts() -> None:
    program = "import training, os, sys; print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'], 'tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["true", "False"]


def test_a_strategy_can_be_created_after_other_tensorflow_code() -> None:
    tf.constant(1.0) + 1  # TensorFlow's context exists, and devices cannot be configured any more
    with device.strategy("auto").scope():
        tf.Variable(1.0).assign_add(1)
    device.strategy("cpu")


def test_two_devices_train_one_model(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _TWO_DEVICES, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    words = result.stdout.splitlines()[-1].split()
    assert words[:4] == ["2", "x", "GPU", "4"]
    assert float(words[4]) > 0.85


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", "1e-4"), ("mixed_float16", "0.05")])
def test_two_devices_learn_as_one_does(tmp_path: Path, policy: str, tolerance: str) -> None:
    command = [sys.executable, "-c", _AS_ONE_DEVICE, str(tmp_path), policy, tolerance]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
