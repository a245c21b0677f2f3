"""What the deformation costs: seconds of an epoch with it and without it, in turns.

    python -m benchmarks.epoch_time --data DIR [--recipe NAME] [--rounds N]

Each turn trains two epochs from the start in a directory of its own and counts the second: the first one compiles.
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from training import recipes
from training.data import mnist
from training.fitting import device, fit
from training.recipe import Recipe

MOST_RATIO = 1.3


def main() -> int:
    """Print the figures; return 1 if the deformation costs more than it may."""
    options = _options()
    data = mnist.load(options.data)
    deformed = replace(recipes.find(options.recipe), mixture=None)  # what is mixed in is deformed with the rest
    seconds: dict[str, list[float]] = {"plain": [], "deformed": []}
    for _ in range(options.rounds):
        seconds["plain"].append(_second_epoch(replace(deformed, deformation=None), data))
        seconds["deformed"].append(_second_epoch(deformed, data))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:<9} {medians[name]:.2f} s (median of {len(values)}, {min(values):.2f} to {max(values):.2f})")
    ratio = medians["deformed"] / medians["plain"]
    print(f"ratio     {ratio:.2f} (at most {MOST_RATIO})")
    return 0 if ratio <= MOST_RATIO else 1


def _second_epoch(recipe: Recipe, data: mnist.Mnist) -> float:
    strategy = device.strategy("auto")
    with tempfile.TemporaryDirectory() as directory:
        run = fit.Run.open(Path(directory), recipe, 2, 1, data, resume=False)
        fitted = fit.fit(recipe, data, run, seed=1, epochs=2, strategy=strategy)
    return fitted.history[1]["seconds"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    parser.add_argument("--recipe", default=recipes.DEFAULT, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
