"""The images of each batch, a function of seed and step alone.

A resumed run therefore sees the same batches as one that was never interrupted.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from training.recipe import Recipe

Order = npt.NDArray[np.int64]

_DIGITS, _POOL = 0, 1  # streams of random numbers under one seed


def steps_per_epoch(count: int, size: int) -> int:
    """Return how many full batches of `size` one pass over `count` images has."""
    return max(1, count // size)


def digits_per_batch(recipe: Recipe) -> int:
    """Return how many images of a batch are MNIST's; an epoch is one pass over those."""
    return recipe.batch_size - recipe.pool_per_batch


def order(recipe: Recipe, steps: Sequence[int], *, digits: int, pool: int, seed: int) -> Order:
    """Return the images of each of the `steps`, int64 [len(steps), batch]: first digits, then pictures of the pool.

    Digits are numbered from 0, the pool's pictures from `digits` on. Both are reshuffled for every pass.

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
    """Return which of `count` images each step takes, int64 [len(steps), size]; with repeats if too few."""
    per_pass = steps_per_epoch(count, size)
    rows = []
    for number, group in groupby(steps, key=lambda step: step // per_pass):
        shuffled = np.random.default_rng([*seed, number]).permutation(count)
        batches = np.resize(shuffled, (per_pass, size))
        rows.append(batches[[step % per_pass for step in group]])
    return np.concatenate(rows)
