"""Reads a published float32 graph back into its Keras network."""

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from training.errors import TrainingError
from training.model import network
from training.recipe import Recipe

_LAYERS = ("MatMul", "Gemm", "Add")


def read_back(graph: bytes, recipe: Recipe) -> Any:
    """Return the network of `recipe` with the weights of a graph: pixels to logits, as before the calibration.

    Raises:
        TrainingError: the graph is not that of this network.
    """
    model = network.build(recipe, precision="float32")
    found = _weights(onnx.load_from_string(graph))
    if [each.shape for each in found] != [each.shape for each in model.get_weights()]:
        raise TrainingError(
            "The newest version's graph is not the network of its manifest, so it cannot be read back: "
            "train with another recipe."
        )
    model.set_weights(found)
    return model


def _weights(proto: Any) -> list[Any]:
    """Return the kernels and biases in the order of the nodes; scalars scale and calibrate, which is no weight."""
    constants = {constant.name: numpy_helper.to_array(constant) for constant in proto.graph.initializer}
    return [
        constants[name]
        for node in proto.graph.node
        if node.op_type in _LAYERS
        for name in node.input
        if name in constants and np.ndim(constants[name]) > 0
    ]
