"""The learning curves of a version, and the tools and machine it was made with."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws without a screen
import matplotlib.pyplot as plt

CURVES_FILE = "curves.png"

_TOOLS = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


def tools() -> dict[str, str]:
    """Return the versions of Python and of the libraries used."""
    return {"python": platform.python_version()} | {name: installed(name) for name in _TOOLS}


def machine() -> str:
    """Return the processor's name and count."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or not x86
    return f"{os.cpu_count()} x {model}"


def write_curves(directory: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Draw training and validation loss and error by epoch into `directory`."""
    epochs = [entry["epoch"] for entry in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for prefix, label in (("", "training, deformed"), ("val_", "validation")):
        left.plot(epochs, [entry[prefix + "loss"] for entry in history], label=label)
        right.plot(epochs, [100 * (1 - entry[prefix + "accuracy"]) for entry in history], label=label)
    left.set(xlabel="epoch", ylabel="cross-entropy, nats", yscale="log")
    right.set(xlabel="epoch", ylabel="error, %", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    figure.savefig(directory / CURVES_FILE, dpi=100)
    plt.close(figure)
