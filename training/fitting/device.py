"""The device to train on: a CPU, one GPU, or several.

Memory growth is set in `training/__init__.py`, before TensorFlow starts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from service.cpus import available_cpus
from service.errors import first_line
from training.errors import DeviceError
from training.options import Device

# Below this many images the time that XLA compiles is not won back: 10 s on a GPU, 2 s on a CPU (docs/training.md).
_XLA_FROM_IMAGES = 350_000
# With more cores than this XLA was not measured; without it TensorFlow uses as many as there are.
_XLA_CORES = 2
# In TensorFlow's messages: of XLA, of CUDA, of a copy to a full device.
_FULL = ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "Dst tensor is not initialized")
_GOING_ON = "Nothing was published; --resume continues from the last complete epoch."


@contextmanager
def failures_explained() -> Iterator[None]:
    """Turn TensorFlow's device errors into one line that says what to do.

    Raises:
        DeviceError: the memory is full, or the device failed otherwise.
    """
    try:
        yield
    except tf.errors.OpError as error:
        words = str(error.message)
        if isinstance(error, tf.errors.ResourceExhaustedError) or any(sign in words for sign in _FULL):
            raise DeviceError(
                "The device has too little memory for this recipe: stop other programs that use it (see `nvidia-smi`), "
                f"or train with --device cpu. {_GOING_ON}"
            ) from error
        raise DeviceError(f"TensorFlow failed ({first_line(error)}). {_GOING_ON}") from error


@failures_explained()
def strategy(device: Device, *, mixed_precision: bool = False) -> Any:
    """Return the `tf.distribute` strategy for `device`, and set the global precision policy.

    `auto` takes every GPU that TensorFlow sees, else the CPU. Several GPUs share each batch (MirroredStrategy).
    Mixed precision keeps weights and logits in float32; a GPU computes the rest in float16, a CPU in bfloat16.

    Raises:
        DeviceError: `gpu` was asked for and TensorFlow sees none, or it cannot be used.
    """
    gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise DeviceError(
            "TensorFlow sees no GPU here: install the `train-cuda` requirements and check `nvidia-smi`, "
            "or train with --device cpu."
        )
    mixed = "mixed_float16" if gpus else "mixed_bfloat16"
    keras.mixed_precision.set_global_policy(mixed if mixed_precision else "float32")
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/GPU:0" if gpus else "/CPU:0")


def describe(chosen: Any) -> str:
    """Describe the devices of a strategy, such as "2 x GPU"."""
    devices = chosen.extended.worker_devices
    kind = "GPU" if is_gpu(chosen) else "CPU"
    return f"{len(devices)} x {kind}" if len(devices) > 1 else kind


def is_gpu(chosen: Any) -> bool:
    """Whether a strategy trains on GPUs."""
    return "GPU" in chosen.extended.worker_devices[0].upper()


def wins_by_xla(chosen: Any, images: int) -> bool:
    """Whether XLA pays off for a training of so many `images`; measured in docs/training.md.

    One GPU gains a factor of four, one or two cores one of 1.3 in float32; in bfloat16 a CPU loses.
    Several GPUs exchange gradients in each step, which the compiled graph does not do here.
    """
    if images < _XLA_FROM_IMAGES or chosen.num_replicas_in_sync > 1:
        return False
    in_float32 = keras.mixed_precision.global_policy().name == "float32"
    return is_gpu(chosen) or (in_float32 and available_cpus() <= _XLA_CORES)
