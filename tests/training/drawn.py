"""A drawn data set in MNIST's format: printed digits of various sizes, positions and slants."""

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from service.contract import IMAGE_SIDE, LABELS
from training.data import idx
from training.data.mnist import MNIST_SHA256, Bytes, Mnist
from training.recipe import Deformation, Mixture, Recipe

#: A recipe that learns the drawn digits in seconds.
RECIPE = Recipe(
    name="tiny",
    summary="a small network for drawn digits",
    hidden=(64, 32),
    learning_rate=5e-3,
    warmup_epochs=0.5,
    batch_size=50,
    epochs=4,
    deformation=Deformation(rotation_degrees=5, scale=0.05, shear=0.05, translation_pixels=0.5, elastic_alpha=8),
    accuracy_floor=0.5,
)
#: The same with a pool.
MIXED = replace(RECIPE, mixture=Mixture(share=0.5, renderings=160, forms=640, outliers=40, held_out=40))


@cache
def mnist() -> Mnist:
    """Return 1,500 training, 300 validation and 300 test digits."""
    images, labels = digits(2_100, seed=20)
    train, test = slice(0, 1_800), slice(1_800, None)
    parts = (images[train], labels[train], images[test], labels[test])
    sums = [hashlib.sha256(idx.write(part)).hexdigest() for part in parts]
    return Mnist(
        train_images=images[:1_500],
        train_labels=labels[:1_500],
        validation_images=images[1_500:1_800],
        validation_labels=labels[1_500:1_800],
        test_images=images[test],
        test_labels=labels[test],
        sha256=dict(zip(MNIST_SHA256, sums, strict=True)),
    )


def digits(count: int, *, seed: int) -> tuple[Bytes, Bytes]:
    """Return `count` images, uint8 [count, 28, 28] of ink on background, and their labels, uint8 [count]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(LABELS), count).astype(np.uint8)
    return np.stack([_draw(str(label), random) for label in labels]), labels


def _draw(text: str, random: np.random.Generator) -> Bytes:
    image = Image.new("L", (IMAGE_SIDE, IMAGE_SIDE))
    place = IMAGE_SIDE / 2 + random.uniform(-2, 2, 2)
    font = ImageFont.load_default(float(random.uniform(18, 26)))
    ImageDraw.Draw(image).text(tuple(place), text, fill=255, font=font, anchor="mm")
    return np.asarray(image.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR))
