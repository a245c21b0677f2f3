"""Where to train: a CPU, one GPU, or several."""

from typing import Any

import keras
import tensorflow as tf

from training.errors import DeviceError
from training.options import Device


def strategy(device: Device, *, mixed_precision: bool = False) -> Any:
    """Return the `tf.distribute` strategy for `device`, and set the precision policy of the layers to come.

    `auto` takes every GPU that TensorFlow sees, else the CPU. Several GPUs share each batch (MirroredStrategy).
    Mixed precision computes in float16 and keeps weights and logits in float32.

    Raises:
        DeviceError: `gpu` was asked for and TensorFlow sees none.
    """
    gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise DeviceError(
            "TensorFlow sees no GPU here: install the `train-cuda` requirements and check `nvidia-smi`, "
            "or train with --device cpu."
        )
    keras.mixed_precision.set_global_policy("mixed_float16" if mixed_precision else "float32")
    for gpu in gpus:
        # Without this TensorFlow takes the whole memory of every GPU at the first op.
        tf.config.experimental.set_memory_growth(gpu, True)
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/GPU:0" if gpus else "/CPU:0")


def describe(chosen: Any) -> str:
    """Return the devices of a strategy in words, such as "2 x GPU"."""
    devices = chosen.extended.worker_devices
    kind = "GPU" if is_gpu(chosen) else "CPU"
    return f"{len(devices)} x {kind}" if len(devices) > 1 else kind


def is_gpu(chosen: Any) -> bool:
    """Tell whether a strategy trains on GPUs."""
    return "GPU" in chosen.extended.worker_devices[0].upper()
