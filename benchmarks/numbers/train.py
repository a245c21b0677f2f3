"""Train the network of `service.preprocessing.numbers.whole` on numbers of MNIST's training digits.

    python -m benchmarks.numbers.train --data DIR [--lines N] [--epochs N] [--seed N]

It writes `whole.bin`; then `benchmarks.numbers.fit` fits the weights of a path's score. The network does not see the
model's answers, so a new model does not ask for a new one.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.numbers.lines import Truth, lines
from service.preprocessing.numbers.whole import FILE, LAYERS, VIEW
from training.data.mnist import load

_UNITS = [units for _, units in LAYERS]
_BATCH, _RATE, _DECAY = 256, 2e-3, 1e-3
_CHECKED = 300  # lines of validation digits


def main() -> int:
    """Train the network, print its loss on validation digits, and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks.numbers.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the directory with MNIST")
    parser.add_argument("--lines", type=int, default=5000, help="lines to train on; each has some 50 parts")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mnist = load(options.data)
    keras.utils.set_random_seed(options.seed)
    truth = joined(list(islice(lines(mnist.train_images, mnist.train_labels, options.seed), options.lines)))
    network = trained(truth, options.epochs)
    checked = joined(list(islice(lines(mnist.validation_images, mnist.validation_labels, options.seed), _CHECKED)))
    entropy = network.evaluate(*_fed(checked), verbose=0)
    print(f"validation digits, {len(checked.views)} parts: cross-entropy {entropy:.4f}")
    write(network, FILE)
    return 0


def joined(truths: list[Truth]) -> Truth:
    """Return the parts of all lines together."""
    return Truth(*(np.concatenate(each) for each in zip(*truths, strict=True)))


def trained(truth: Truth, epochs: int) -> keras.Model:
    """Return a network trained on parts; its rate falls to nothing."""
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((*VIEW, 2)),
            layers.Conv2D(_UNITS[0], 5, 2, activation="relu"),
            layers.Conv2D(_UNITS[1], 3, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(_UNITS[2], activation="relu"),
            layers.Dense(_UNITS[3]),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(_RATE, epochs * len(truth.views) // _BATCH)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=_DECAY), loss)
    network.fit(*_fed(truth), batch_size=_BATCH, epochs=epochs, verbose=2)
    return network


def _fed(truth: Truth) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    return truth.views.transpose(0, 2, 3, 1), truth.shares


def write(network: keras.Model, file: Path) -> None:
    """Write the weights of a network as `whole` reads them."""
    weights = [values.reshape(-1) for values in network.get_weights()]
    np.concatenate(weights).astype(np.float16).tofile(file)


if __name__ == "__main__":
    sys.exit(main())
