"""The pictures of the pool: rendered digits, drawn forms, and non-digits.

Each depends on the seed, its kind and its number alone, so any process may make it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.contract import IMAGE_SIDE
from training.data.mnist import Bytes
from training.data.targets import NO_DIGIT, like
from training.synthesis import conditions, forms, outliers

RENDERINGS, FORMS, OUTLIERS = "renderings", "forms", "outliers"
TRAINING = (RENDERINGS, FORMS, OUTLIERS)
#: The same kinds for validation, with validation digits and other random numbers.
VALIDATION = tuple(f"validation_{kind}" for kind in TRAINING)
#: Letters like a digit, for some recipes. Last, because a kind's position decides its random numbers.
ALIKE = "alike"
KINDS = (*TRAINING, *VALIDATION, ALIKE)


@dataclass(frozen=True)
class Part:
    """Pictures in the service's canonical form, uint8 [N, 28, 28], and their labels, uint8 [N]: those of
    `targets`.

    `refused` counts those left out because the service would reject them.
    """

    images: Bytes
    labels: Bytes
    refused: int


class Digits(NamedTuple):
    """The digits rendered for one split: images, uint8 [N, 28, 28], and labels, uint8 [N]."""

    images: Bytes
    labels: Bytes


@dataclass(frozen=True)
class Chunk:
    """Pictures `first` to `first + count` of a kind, which are made and stored together."""

    kind: str
    first: int
    count: int


def make(chunk: Chunk, digits: Digits, seed: int) -> Part:
    """Make the pictures of a chunk; rendering i shows digit i modulo their number."""
    images, labels = [], []
    for number in range(chunk.first, chunk.first + chunk.count):
        random = np.random.default_rng([seed, KINDS.index(chunk.kind), number])
        ink, label = _ink(chunk.kind, digits, number, random)
        image = conditions.seen(ink, random)
        if image is not None:
            images.append(image)
            labels.append(label)
    shape = (len(images), IMAGE_SIDE, IMAGE_SIDE)
    return Part(np.array(images, np.uint8).reshape(shape), np.array(labels, np.uint8), chunk.count - len(images))


def _ink(kind: str, digits: Digits, number: int, random: np.random.Generator) -> tuple[Bytes, int]:
    if kind.endswith(RENDERINGS):
        index = number % len(digits.labels)
        return conditions.enlarge(digits.images[index]), int(digits.labels[index])
    if kind == ALIKE:
        letter, digit = outliers.draw_alike(random)
        return letter, like(digit)
    if kind.endswith(OUTLIERS):
        return outliers.draw(random), NO_DIGIT
    return forms.draw(random)


def join(parts: Sequence[Part]) -> Part:
    """Concatenate parts."""
    empty = Part(np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8), np.zeros(0, np.uint8), 0)
    every = [empty, *parts]
    return Part(
        np.concatenate([part.images for part in every]),
        np.concatenate([part.labels for part in every]),
        sum(part.refused for part in every),
    )
