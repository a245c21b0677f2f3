"""A tiny real model that speaks the contract: it recognises the digits that `tests.drawing` prints.

The nearest of ten templates wins: the logits are minus the squared distance to each, as one affine layer.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.canonical import canonical_digit
from service.contract import (
    CONTRACT_VERSION,
    FLOAT32_FILE,
    IMAGE_SIDE,
    INPUT_NAME,
    LABELS,
    METADATA_CONTRACT,
    METADATA_LABELS,
    METADATA_RECIPE,
    MODEL_NAME,
    OUTPUT_NAME,
    FileRecord,
    Manifest,
    SelfTest,
)
from service.engine import Engine, self_test_inputs
from tests import drawing

_PIXELS = IMAGE_SIDE * IMAGE_SIDE
_SHARPNESS = 0.5  # squared distances are about ten: a factor that leaves the answers sure, not saturated


@cache
def templates() -> npt.NDArray[np.float32]:
    """Return each digit as the service sees it, float32 [10, 784] in [0, 1]."""
    digits = [canonical_digit(np.asarray(drawing.digit(label))) for label in range(len(LABELS))]
    return np.stack(digits).reshape(len(LABELS), _PIXELS).astype(np.float32) / 255


def graph(*, side: int = IMAGE_SIDE, output: str = OUTPUT_NAME, batch: str | int = "N") -> onnx.ModelProto:
    """Return the template matcher as ONNX; the arguments break the contract."""
    weights = 2 * _SHARPNESS * templates().T / 255
    biases = -_SHARPNESS * (templates() ** 2).sum(axis=1)
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "biases"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [output]),
    ]
    constants = [
        numpy_helper.from_array(np.resize(weights, (side * side, len(LABELS))).astype(np.float32), "weights"),
        numpy_helper.from_array(biases.astype(np.float32), "biases"),
    ]
    inputs = [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [batch, side, side])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, len(LABELS)])]
    return helper.make_model(
        helper.make_graph(nodes, "templates", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def model(*, contract: str = CONTRACT_VERSION, labels: str = ",".join(LABELS), **broken: Any) -> bytes:
    """Return the bytes of `model.onnx`; the arguments break the contract."""
    proto = graph(**broken)
    metadata = {METADATA_CONTRACT: contract, METADATA_LABELS: labels, METADATA_RECIPE: "{}"}
    helper.set_model_props(proto, metadata)
    return bytes(proto.SerializeToString())


def publish(
    models: Path,
    version: int = 1,
    *,
    content: bytes | None = None,
    certain_from: float = 0.9,
    edit: Callable[[dict[str, Any]], None] = lambda _fields: None,
) -> Path:
    """Write a version into `models`/NAME, whole at once, and return its directory.

    `content` replaces the model, unseen by the self-test; `edit` changes the fields of the manifest.
    """
    directory = models / MODEL_NAME / str(version)
    staging = directory.with_name(f".{version}.tmp")
    staging.mkdir(parents=True)
    good = model()
    written = good if content is None else content
    (staging / FLOAT32_FILE).write_bytes(written)
    fields = _manifest_fields(version, good, written, certain_from)
    edit(fields)
    Manifest(**fields).write(staging)
    staging.rename(directory)
    return directory


def _manifest_fields(version: int, good: bytes, written: bytes, certain_from: float) -> dict[str, Any]:
    seed, count = 20, 4
    expected = Engine.open(good).run(self_test_inputs(seed, count)).tolist()
    return {
        "name": MODEL_NAME,
        "version": str(version),
        "contract": CONTRACT_VERSION,
        "created": "2026-01-01T00:00:00+00:00",
        "files": {FLOAT32_FILE: FileRecord(hashlib.sha256(written).hexdigest(), len(written))},
        "certain_from": certain_from,
        "self_test": SelfTest(seed, count, {FLOAT32_FILE: expected}, {FLOAT32_FILE: 1e-4}),
        "recipe": {"name": "templates"},
        "metrics": {},
        "data": {},
        "tools": {},
    }
