"""A tiny real model that follows the contract and recognises the digits of `tests.drawing`.

Nearest template: the logits are minus the squared distance to each template, as one affine layer; the probability of a
digit is the sum over its templates. The service's own specimens are templates too, because it rejects a model that
cannot read them.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

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
from service.inference.engine import Engine, self_test_inputs
from service.inference.specimens import specimens
from service.preprocessing.mnist_format import canonical_digit
from tests import drawing

CERTAIN_FROM = 0.9

_PIXELS = IMAGE_SIDE * IMAGE_SIDE
_SHARPNESS = 0.5  # squared distances are about ten: confident but not saturated


@cache
def templates() -> npt.NDArray[np.float32]:
    """Return each printed digit in canonical form, float32 [10, 784] in [0, 1]."""
    digits = [canonical_digit(np.asarray(drawing.digit(label))) for label in range(len(LABELS))]
    return np.stack(digits).reshape(len(LABELS), _PIXELS).astype(np.float32) / 255


def graph(
    *,
    side: int = IMAGE_SIDE,
    output: str = OUTPUT_NAME,
    batch: str | int = "N",
    order: Sequence[int] = range(len(LABELS)),
) -> onnx.ModelProto:
    """Return the template matcher as ONNX; arguments break the contract or permute the digits."""
    images, labels = specimens()
    known = np.concatenate([templates(), images.reshape(-1, _PIXELS) / 255])
    weights = 2 * _SHARPNESS * known.T / 255
    biases = -_SHARPNESS * (known**2).sum(axis=1)
    members = np.eye(len(LABELS))[[*range(len(LABELS)), *labels]][:, order]
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "biases"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["templates"]),
        helper.make_node("MatMul", ["templates", "members"], [output]),
    ]
    constants = [
        numpy_helper.from_array(np.resize(weights, (side * side, len(known))).astype(np.float32), "weights"),
        numpy_helper.from_array(biases.astype(np.float32), "biases"),
        numpy_helper.from_array(members.astype(np.float32), "members"),
    ]
    inputs = [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [batch, side, side])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, len(LABELS)])]
    return helper.make_model(
        helper.make_graph(nodes, "templates", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def changed(**constants: npt.NDArray[Any]) -> onnx.ModelProto:
    """Return the template matcher with other weights."""
    proto = graph()
    for tensor in proto.graph.initializer:
        if tensor.name in constants:
            tensor.CopyFrom(numpy_helper.from_array(constants[tensor.name].astype(np.float32), tensor.name))
    return proto


def untrained(seed: int) -> onnx.ModelProto:
    """Return the template matcher with untrained weights (Glorot uniform)."""
    shape = _PIXELS, len(LABELS) + len(specimens()[0])
    bound = np.sqrt(6 / sum(shape)) / 255
    return changed(weights=np.random.default_rng(seed).uniform(-bound, bound, shape), biases=np.zeros(shape[1]))


def model(*, contract: str = CONTRACT_VERSION, labels: str = ",".join(LABELS), **broken: Any) -> bytes:
    """Return the bytes of `model.onnx`; arguments break the contract."""
    return content_of(graph(**broken), contract=contract, labels=labels)


def content_of(proto: onnx.ModelProto, *, contract: str = CONTRACT_VERSION, labels: str = ",".join(LABELS)) -> bytes:
    """Return a graph as the bytes of `model.onnx`, with the metadata of the contract."""
    helper.set_model_props(proto, {METADATA_CONTRACT: contract, METADATA_LABELS: labels, METADATA_RECIPE: "{}"})
    return bytes(proto.SerializeToString())


def at_temperature(temperature: float) -> bytes:
    """Return the test model with its logits divided by `temperature`: the same digits, other probabilities."""
    parts = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph().graph.initializer}
    return content_of(changed(**{name: parts[name] / temperature for name in ("weights", "biases")}))


def publish(
    models: Path,
    version: int = 1,
    *,
    content: bytes | None = None,
    promised: bytes | None = None,
    certain_from: float = CERTAIN_FROM,
    edit: Callable[[dict[str, Any]], None] = lambda _fields: None,
) -> Path:
    """Write a version into `models`/NAME atomically and return its directory.

    `content` replaces the model but not the self-test, which expects the answers of `promised`; `edit` changes the
    fields of the manifest.
    """
    directory = models / MODEL_NAME / str(version)
    staging = directory.with_name(f".{version}.tmp")
    staging.mkdir(parents=True)
    good = promised or model()
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
