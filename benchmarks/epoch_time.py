"""Training speed in images a second, and what each option changes.

    python -m benchmarks.epoch_time --data DIR [--recipe NAME] [--device cpu] [--batch N] [--rounds N]

Each run trains two epochs from scratch; only the second counts, because the first compiles. Variants alternate.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from training import recipes
from training.data import mnist
from training.errors import TrainingError
from training.fitting import device, fit
from training.fitting.run import Run
from training.options import Device
from training.recipe import Recipe

MOST_RATIO = 1.3


class Epoch(NamedTuple):
    """Images a second in the second epoch, by wall clock and by CPU time, and seconds of the first epoch."""

    by_clock: float
    by_processor: float
    first_seconds: float


class Variant(NamedTuple):
    """A recipe and how its loop is run."""

    recipe: Recipe
    xla: bool = False
    mixed: bool = False


def main() -> int:
    """Print the results; return 1 if the deformation costs more than allowed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    parser.add_argument("--recipe", default=recipes.DEFAULT, help="default: %(default)s")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant")
    options = parser.parse_args()
    try:
        data, chosen = mnist.load(options.data), recipes.find(options.recipe)
    except TrainingError as error:
        parser.error(str(error))
    recipe = replace(chosen, mixture=None, batch_size=options.batch)  # the pool's pictures cost as much as digits
    twice = replace(recipe, batch_size=2 * options.batch)
    variants = {
        "plain": Variant(replace(recipe, deformation=None)),
        "deformed": Variant(recipe),
        "with XLA": Variant(recipe, xla=True),
        "mixed precision": Variant(recipe, mixed=True),
        "mixed, twice the batch": Variant(twice, mixed=True),
    }
    epochs: dict[str, list[Epoch]] = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, variant in variants.items():
            epochs[name].append(_second_epoch(variant, data, options.device))
    for name, found in epochs.items():
        print(_words(name, found))
    medians = {name: statistics.median(epoch.by_clock for epoch in found) for name, found in epochs.items()}
    ratio = medians["plain"] / medians["deformed"]
    print(f"deformation costs {ratio:.2f} times the time (at most {MOST_RATIO})")
    return 0 if ratio <= MOST_RATIO else 1


def _second_epoch(variant: Variant, data: mnist.Mnist, chosen: Device) -> Epoch:
    strategy = device.strategy(chosen, mixed_precision=variant.mixed)
    with tempfile.TemporaryDirectory() as directory:
        run = Run.open(Path(directory), variant.recipe, 2, 1, data, resume=False)
        ends: list[float] = []  # in CPU time; validation and checkpoint belong to the epoch
        clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.process_time()))
        fitted = fit.fit(
            variant.recipe, data, run, seed=1, epochs=2, strategy=strategy, xla=variant.xla, callbacks=[clock]
        )
    first, second = fitted.history
    images = second["images_per_second"] * second["seconds"]
    return Epoch(second["images_per_second"], images / (ends[1] - ends[0]), first["seconds"])


def _words(name: str, found: list[Epoch]) -> str:
    speeds = [epoch.by_clock for epoch in found]
    speed, processor, first = map(statistics.median, zip(*found, strict=True))
    return (
        f"{name:<22} {speed:,.0f} images/s (median of {len(speeds)}, {min(speeds):,.0f} to "
        f"{max(speeds):,.0f}); {processor:,.0f} a processor second; first epoch {first:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
