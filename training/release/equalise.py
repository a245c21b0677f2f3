"""Scales hidden units of a graph so that int8 loses less accuracy; the float graph computes the same.

In int8 all outputs of a layer share one scale: where one unit reaches 800, a unit that never passes 5 has two levels.
ReLU and leaky ReLU commute with a positive factor, so a unit's output may be divided by one if the weights that read it
are multiplied by it. The factor is that of SmoothQuant (Xiao et al. 2022, arXiv 2211.10438, equation 4, alpha = 0.5),
which splits the range between outputs and weights.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from service.contract import INPUT_NAME
from training.data.mnist import Bytes

_HOMOGENEOUS = ("Relu", "LeakyRelu")
_MOST = 100.0  # bound on a factor relative to the median, for units that are hardly ever active


class _Hidden(NamedTuple):
    """A layer whose outputs can be scaled: the Gemm before, the activation's output, the Gemm after."""

    before: Any
    output: str
    after: Any


def equalise(model: Any, images: Bytes) -> None:
    """Scale hidden units of the `onnx.ModelProto` in place, by their outputs on `images`, uint8 [N, 28, 28].

    Chains Gemm, ReLU or leaky ReLU, Gemm are scaled; the rest of the graph stays as it is.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    hidden = _hidden(model.graph, set(constants))
    for layer, most in zip(hidden, _greatest(model, [layer.output for layer in hidden], images), strict=True):
        read_by = numpy_helper.to_array(constants[layer.after.input[1]])
        factors = _factors(most, np.abs(read_by).max(axis=1))
        for name in layer.before.input[1:]:  # weights [inputs, units] and biases [units]
            _replace(constants[name], numpy_helper.to_array(constants[name]) / factors)
        _replace(constants[layer.after.input[1]], read_by * factors[:, None])


def _hidden(graph: Any, constants: set[str]) -> list[_Hidden]:
    readers: dict[str, list[Any]] = {output.name: [None] for output in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def is_product(node: Any) -> bool:
        """Whether this is a plain Gemm with weights and biases of its own, not transposed."""
        own = all(name in constants and len(readers[name]) == 1 for name in node.input[1:])
        plain = not any(attribute.name.startswith("trans") and attribute.i for attribute in node.attribute)
        return node.op_type == "Gemm" and own and plain

    found = []
    for node in graph.node:
        after = readers.get(node.output[0], [])
        if not (is_product(node) and len(after) == 1 and after[0] and after[0].op_type in _HOMOGENEOUS):
            continue
        output = after[0].output[0]
        [reader, *others] = readers.get(output, [None])
        if reader and not others and is_product(reader) and reader.input[0] == output:
            found.append(_Hidden(node, output, reader))
    return found


def _greatest(model: Any, outputs: list[str], images: Bytes) -> list[npt.NDArray[np.float32]]:
    """Return the largest absolute value of each unit over the images."""
    if not outputs:
        return []
    open_ended = onnx.ModelProto()
    open_ended.CopyFrom(model)
    open_ended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    session = ort.InferenceSession(open_ended.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.abs(found).max(axis=0) for found in session.run(outputs, {INPUT_NAME: images})]


def _factors(most: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the divisor of each unit: 1 if it is never active or never read."""
    alive = (most > 0) & (weights > 0)
    factors = np.ones_like(most)
    if alive.any():
        found = np.sqrt(most[alive] / weights[alive])
        factors[alive] = np.clip(found / np.median(found), 1 / _MOST, _MOST)
    return factors


def _replace(constant: Any, value: npt.NDArray[np.float32]) -> None:
    constant.CopyFrom(numpy_helper.from_array(value.astype(np.float32), constant.name))
