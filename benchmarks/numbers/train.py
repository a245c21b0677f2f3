"""Train the network of `service.preprocessing.numbers.sequence` on lines of MNIST's training digits.

    python -m benchmarks.numbers.train --data DIR [--strips N] [--epochs N] [--seed N]

It writes `sequence.onnx`; then `benchmarks.numbers.fit` fits the weights of a path's score. The network does not see
the model's answers, so a new model does not ask for a new one.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from benchmarks.numbers.lines import Text, texts
from benchmarks.pictures.scene import Random
from service.preprocessing.numbers.sequence import FILE, NONE, ROWS, STRIDE
from training.data.mnist import load

Floats = npt.NDArray[np.float32]
#: Each layer's channels, kernel, strides (rows by columns), and dilation. The fifth leaves one row.
_LAYERS: tuple[tuple[int, tuple[int, int], tuple[int, int], int], ...] = (
    (16, (5, 5), (2, STRIDE), 1),
    (24, (3, 3), (2, 1), 1),
    (40, (3, 3), (1, 1), 1),
    (56, (3, 3), (2, 1), 1),
    (80, (5, 1), (1, 1), 1),
    (64, (1, 5), (1, 1), 1),
    (64, (1, 5), (1, 1), 2),
)
_DIGITS = 10_000  # of MNIST's, because tracing them takes the most time
_CHECKED = 1000  # strips of validation digits
_BATCH, _RATE, _DECAY, _WARMUP = 64, 3e-3, 1e-3, 200
_STEPS = 16  # columns: the widths of batches are multiples
_LONGEST = 8  # digits of a piece
_WIDER, _HIGHER, _SHEAR, _LOWER, _DARKER = (0.82, 1.2), (0.88, 1.1), 0.08, 1.5, (0.7, 1.5)


def main() -> int:
    """Train the network, print how many strips of validation digits it reads, and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks.numbers.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the directory with MNIST")
    parser.add_argument("--strips", type=int, default=40_000, help="pieces to train on")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mnist = load(options.data)
    keras.utils.set_random_seed(options.seed)
    learnt = texts(mnist.train_images[:_DIGITS], mnist.train_labels[:_DIGITS], options.seed)
    network = trained(list(islice(learnt, options.strips)), options.epochs, options.seed)
    checked = texts(mnist.validation_images, mnist.validation_labels, options.seed)
    print(f"validation digits: {read_right(network, list(islice(checked, _CHECKED))):.1%} of {_CHECKED} strips right")
    FILE.write_bytes(to_onnx(network))
    return 0


def trained(found: list[Text], epochs: int, seed: int) -> keras.Model:
    """Return a network trained on strips; its rate falls to nothing."""
    network, rng = _network(), np.random.default_rng(seed)
    steps = epochs * -(-len(found) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_RATE / 10, steps, warmup_target=_RATE, warmup_steps=_WARMUP)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=_DECAY, global_clipnorm=5.0)
    optimizer.build(network.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]  # traced for each width: dilated kernels fail on unknown ones
    def step(strips: Any, digits: Any, counts: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = network(strips, training=True)
            columns = tf.fill(tf.shape(counts), tf.shape(logits)[1])
            losses = tf.nn.ctc_loss(digits, logits, counts, columns, logits_time_major=False, blank_index=NONE)
            loss = tf.reduce_mean(losses)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, network.trainable_variables), network.trainable_variables, strict=True)
        )
        return loss

    for epoch in range(epochs):
        losses = [float(step(*map(tf.constant, batch))) for batch in _batches(found, rng)]
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)
    return network


def _network() -> keras.Model:
    layers = keras.layers
    ink = keras.Input((ROWS, None, 1))
    values = ink
    for channels, kernel, strides, dilation in _LAYERS:
        padding = "valid" if kernel[1] == 1 else "same"
        values = layers.Conv2D(channels, kernel, strides, padding, dilation_rate=(1, dilation), use_bias=False)(values)
        values = layers.ReLU()(layers.BatchNormalization(momentum=0.98)(values))
    return keras.Model(ink, layers.Reshape((-1, NONE + 1))(layers.Conv2D(NONE + 1, 1)(values)))


def _batches(found: list[Text], rng: Random) -> Iterator[tuple[Floats, npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
    """Yield strips of similar widths, a little changed, float32 [N, ROWS, columns, 1], their digits, and how many."""
    order = np.argsort([text.strip.shape[1] * rng.uniform(0.9, 1.1) for text in found])
    for chosen in rng.permutation(-(-len(order) // _BATCH)):
        some = [found[index] for index in order[chosen * _BATCH : (chosen + 1) * _BATCH]]
        changed = [_changed(text.strip, rng) for text in some]
        width = -(-max(strip.shape[1] for strip in changed) // _STEPS) * _STEPS
        strips, digits = np.zeros((len(some), ROWS, width, 1), np.float32), np.zeros((len(some), _LONGEST), np.int32)
        for place, strip, row, text in zip(strips, changed, digits, some, strict=True):
            left = rng.integers(width - strip.shape[1] + 1)
            place[:, left : left + strip.shape[1], 0] = strip
            row[: len(text.digits)] = text.digits
        yield strips, digits, np.array([len(text.digits) for text in some], np.int32)


def _changed(strip: npt.NDArray[np.uint8], rng: Random) -> Floats:
    """Return a strip wider or higher, sheared, moved, and darker or lighter."""
    wider, higher, shear = rng.uniform(*_WIDER), rng.uniform(*_HIGHER), rng.normal(0, _SHEAR)
    down = (1 - higher) * ROWS / 2 + rng.uniform(-_LOWER, _LOWER)
    matrix = np.array([[wider, shear, (abs(shear) - shear) * ROWS / 2], [0, higher, down]])
    width = int(np.ceil(strip.shape[1] * wider + abs(shear) * ROWS))
    moved = cv2.warpAffine(strip, matrix, (width, ROWS), flags=cv2.INTER_LINEAR)
    return np.asarray(np.minimum(moved * (rng.uniform(*_DARKER) / 255), 1), np.float32)


def read_right(network: keras.Model, found: list[Text]) -> float:
    """Return the share of strips of which the likeliest digit of each column makes up the digits."""
    right = []
    for text in found:
        strip = np.pad(text.strip, ((0, 0), (0, text.strip.shape[1] % STRIDE))) / np.float32(255)
        columns = [NONE, *network(strip[np.newaxis, ..., np.newaxis]).numpy()[0].argmax(axis=1).tolist()]
        right.append(tuple(at for before, at in pairwise(columns) if at not in (before, NONE)) == text.digits)
    return float(np.mean(right))


def to_onnx(network: keras.Model) -> bytes:
    """Return the network as an ONNX graph from ink to probabilities; normalisation is part of its float16 weights."""
    nodes, weights, value = [], [], "ink"
    for index, layer in enumerate(one for one in network.layers if isinstance(one, keras.layers.Conv2D)):
        for name, values in zip(("kernel", "bias"), _folded(network, layer), strict=True):
            half, full = f"{name}{index}.half", f"{name}{index}"
            weights.append(numpy_helper.from_array(values.astype(np.float16), half))
            nodes.append(helper.make_node("Cast", [half], [full], to=onnx.TensorProto.FLOAT))
        inputs = [value, f"kernel{index}", f"bias{index}"]
        nodes.append(helper.make_node("Conv", inputs, [f"sum{index}"], **_options(layer)))
        nodes.append(helper.make_node("Relu", [f"sum{index}"], [value := f"layer{index}"]))
    nodes[-1] = helper.make_node("Squeeze", [f"sum{index}", "rows"], ["logits"])
    nodes.append(helper.make_node("Transpose", ["logits"], ["columns"], perm=[0, 2, 1]))
    nodes.append(helper.make_node("Softmax", ["columns"], ["probabilities"], axis=2))
    weights.append(numpy_helper.from_array(np.array([2]), "rows"))
    sides = {"ink": ["N", 1, ROWS, None], "probabilities": ["N", None, NONE + 1]}
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides[name]) for name in sides]
    graph = helper.make_graph(nodes, "sequence", ends[:1], ends[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString()
    return content


def _folded(network: keras.Model, layer: Any) -> tuple[Floats, Floats]:
    """Return the kernel and bias of a convolution together with the normalisation after it."""
    kernel, *rest = layer.get_weights()
    if rest:
        return kernel.transpose(3, 2, 0, 1), rest[0]
    norm = network.layers[network.layers.index(layer) + 1]
    scale, shift, mean, variance = norm.get_weights()
    scale = scale / np.sqrt(variance + norm.epsilon)
    return (kernel * scale).transpose(3, 2, 0, 1), shift - mean * scale


def _options(layer: Any) -> dict[str, Any]:
    """Return the attributes of a convolution; ONNX Runtime pads dilated kernels only by given amounts."""
    options = {"strides": layer.strides, "dilations": layer.dilation_rate}
    beside = (layer.kernel_size[1] - 1) * layer.dilation_rate[1] // 2
    if layer.dilation_rate[1] > 1:
        return options | {"pads": [0, beside, 0, beside]}
    return options | {"auto_pad": "SAME_UPPER" if layer.padding == "same" else "VALID"}


if __name__ == "__main__":
    sys.exit(main())
