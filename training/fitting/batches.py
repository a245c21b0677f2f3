"""The images of each batch, a function of seed and step alone.

A resumed run therefore sees the same batches as one that was never interrupted.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from training.recipe import Recipe

Order = npt.NDArray[np.int64]

_DIGITS, _POOL, _OWN = 0, 1, 2  # streams of random numbers under one seed


def steps_per_epoch(count: int, size: int) -> int:
    """Return how many full batches of `size` one pass over `count` images has."""
    return max(1, count // size)


def digits_per_batch(recipe: Recipe) -> int:
    """Return how many images of a batch are MNIST's; an epoch is one pass over those."""
    return recipe.batch_size - recipe.pool_per_batch - recipe.own_per_batch


def order(recipe: Recipe, steps: Sequence[int], *, digits: int, pool: int, seed: int, own: int = 0) -> Order:
    """Return the images of each of the `steps`, int64 [len(steps), batch]: digits, pool pictures, own digits.

    Digits are numbered from 0, the pool's pictures after them, the user's own digits last. Each of the three is
    reshuffled for every pass.

    Raises:
        ValueError: the recipe mixes in what there is none of.
    """
    if (recipe.pool_per_batch and not pool) or (recipe.own_per_batch and not own):
        raise ValueError(f"recipe {recipe.name} needs a pool or own digits, but none are given")
    streams = (
        (0, digits, digits_per_batch(recipe), _DIGITS),
        (digits, pool, recipe.pool_per_batch, _POOL),
        (digits + pool, own, recipe.own_per_batch, _OWN),
    )
    return np.hstack([first + _picks(count, size, steps, (seed, name)) for first, count, size, name in streams if size])


def _picks(count: int, size: int, steps: Sequence[int], seed: tuple[int, int]) -> Order:
    """Return which of `count` images each step takes, int64 [len(steps), size]; with repeats if too few."""
    per_pass = steps_per_epoch(count, size)
    rows = []
    for number, group in groupby(steps, key=lambda step: step // per_pass):
        shuffled = np.random.default_rng([*seed, number]).permutation(count)
        batches = np.resize(shuffled, (per_pass, size))
        rows.append(batches[[step % per_pass for step in group]])
    return np.concatenate(rows)
