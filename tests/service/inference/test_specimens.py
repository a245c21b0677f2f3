"""The digits that the service draws, and that a trained model reads them."""

from pathlib import Path

import numpy as np
import pytest

from service.contract import FLOAT32_FILE, INT8_FILE, MODEL_NAME
from service.inference.engine import Engine
from service.inference.specimens import specimens
from service.preprocessing.mnist_format import in_mnist_form

[PUBLISHED] = (Path(__file__).parents[3] / "models" / MODEL_NAME).glob("[1-9]*")


def test_each_digit_is_there_as_often() -> None:
    images, labels = specimens()
    assert (images.dtype, images.shape[1:], labels.dtype) == (np.uint8, (28, 28), np.uint8)
    assert np.bincount(labels).tolist() == [len(images) // 10] * 10


def test_specimens_are_canonical_and_distinct() -> None:
    images, _ = specimens()
    assert all(map(in_mnist_form, images))
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("file", [FLOAT32_FILE, INT8_FILE])
def test_the_published_model_reads_every_specimen(file: str) -> None:
    images, labels = specimens()
    probabilities = Engine.open((PUBLISHED / file).read_bytes()).run(images)
    assert probabilities.argmax(axis=1).tolist() == labels.tolist()
    assert probabilities.max(axis=1).min() > 0.9
