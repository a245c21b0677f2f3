"""Which images a batch holds: a function of the seed and the step alone.

So a resumed run is the same run: step 12,345 holds the same digits whether or not the process was killed before it.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from training.recipe import Recipe

Order = npt.NDArray[np.int64]

_DIGITS, _POOL = 0, 1  # streams of random numbers under one seed


def steps_per_epoch(count: int, size: int) -> int:
    """Return how many batches of `size` one pass over `count` images has; what is left over differs each time."""
    return max(1, count // size)


def digits_per_batch(recipe: Recipe) -> int:
    """Return how many of a batch's images are MNIST's. An epoch is one pass over those, whatever is mixed in."""
    return recipe.batch_size - recipe.pool_per_batch


def order(recipe: Recipe, steps: Sequence[int], *, digits: int, pool: int, seed: int) -> Order:
    """Return the images of each of the `steps`, int64 [len(steps), batch]: first digits, then pictures of the pool.

    Digits are numbered from 0, the pool's pictures from `digits` on. Each of the two is shuffled anew for every pass.

    Raises:
        ValueError: the recipe mixes in a pool, and there is none.
    """
    if not recipe.pool_per_batch:
        return _picks(digits, recipe.batch_size, steps, (seed, _DIGITS))
    if not pool:
        raise ValueError(f"recipe {recipe.name} mixes in a pool, and none is given")
    own = _picks(digits, digits_per_batch(recipe), steps, (seed, _DIGITS))
    return np.hstack([own, digits + _picks(pool, recipe.pool_per_batch, steps, (seed, _POOL))])


def _picks(count: int, size: int, steps: Sequence[int], seed: tuple[int, int]) -> Order:
    """Return which of `count` images each step takes, int64 [len(steps), size]; too few fill a batch with repeats."""
    per_pass = steps_per_epoch(count, size)
    rows = []
    for number, group in groupby(steps, key=lambda step: step // per_pass):
        shuffled = np.random.default_rng([*seed, number]).permutation(count)
        batches = np.resize(shuffled, (per_pass, size))
        rows.append(batches[[step % per_pass for step in group]])
    return np.concatenate(rows)
