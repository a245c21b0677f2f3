"""Exports a trained Keras model to ONNX graphs that follow the contract: float32 and int8."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from service.contract import (
    CONTRACT_VERSION,
    IMAGE_SIDE,
    INPUT_NAME,
    LABELS,
    METADATA_CONTRACT,
    METADATA_LABELS,
    METADATA_RECIPE,
    OUTPUT_NAME,
)
from training.data.mnist import Bytes
from training.recipe import Recipe
from training.release.equalise import equalise

_OPSET = 18
_CALIBRATION_IMAGES = 8_000
_PRODUCTS = ["MatMul", "Gemm"]


def export_float32(model: Any, temperature: float, recipe: Recipe) -> bytes:
    """Return `model`, from pixels to logits, as an ONNX graph from uint8 images to calibrated probabilities."""
    signature = tf.TensorSpec([None, IMAGE_SIDE, IMAGE_SIDE], tf.uint8, name=INPUT_NAME)

    @tf.function(input_signature=[signature])  # type: ignore[untyped-decorator]
    def predict(images: Any) -> dict[str, Any]:
        logits = model(tf.cast(images, tf.float32), training=False)
        # named, so that a graph viewer shows where the calibration is
        calibrated = tf.multiply(logits, tf.constant(1 / temperature, tf.float32), name="calibrate")
        return {OUTPUT_NAME: tf.nn.softmax(calibrated)}

    graph, _ = tf2onnx.convert.from_function(predict, input_signature=[signature], opset=_OPSET)
    graph.graph.name = recipe.name
    for tensor in (graph.graph.input[0], graph.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    _set_metadata(graph, recipe)
    onnx.checker.check_model(graph, full_check=True)
    content: bytes = graph.SerializeToString()
    return content


def export_int8(float32: bytes, training_images: Bytes) -> bytes:
    """Return the graph `float32` with its matrix products in int8, scales calibrated on `training_images`.

    Static, because a dynamic scale depends on the whole batch, and with it an answer on its neighbours. Weights keep
    to 7 bits: processors without VNNI add two products in 16 bits, which 8-bit weights overflow, and then the same
    model would answer differently there. Sums stay float32, which costs no time and brings the probabilities three
    times closer to the float32 graph's; equalised units bring them four times closer again. Where pictures were learnt
    beside digits, they are to calibrate on: they reach farther, and digits in between only take their place.
    """
    with tempfile.TemporaryDirectory() as scratch:  # the quantiser takes files only
        source, target = Path(scratch) / "float32.onnx", Path(scratch) / "int8.onnx"
        source.write_bytes(float32)
        quant_pre_process(source, source, skip_symbolic_shape=True)  # fuses MatMul and Add
        chosen = _spread(training_images, _CALIBRATION_IMAGES)
        equalised = onnx.load(source)
        equalise(equalised, chosen)
        onnx.save(equalised, source)
        quantize_static(
            source,
            target,
            _CalibrationImages(chosen),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_PRODUCTS,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": _PRODUCTS},
        )
        return target.read_bytes()


def _spread(images: Bytes, count: int) -> Bytes:
    """Return `count` of the images, or all where there are fewer, spread over all of them."""
    return images[np.linspace(0, len(images) - 1, min(len(images), count), dtype=int)]


class _CalibrationImages(CalibrationDataReader):  # type: ignore[misc]
    """Feeds images to the quantiser, a hundred a batch."""

    def __init__(self, images: Bytes) -> None:
        self._batches: Iterator[Bytes] = iter(np.array_split(images, max(1, len(images) // 100)))

    def get_next(self) -> dict[str, Bytes] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: batch}


def _set_metadata(graph: Any, recipe: Recipe) -> None:
    metadata = {
        METADATA_CONTRACT: CONTRACT_VERSION,
        METADATA_LABELS: ",".join(LABELS),
        METADATA_RECIPE: json.dumps(recipe.to_dict()),
    }
    onnx.helper.set_model_props(graph, metadata)
    graph.producer_name = "digits"
