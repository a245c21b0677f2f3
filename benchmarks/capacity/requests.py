"""Requests as bytes on the wire, with drawn pictures of typical sizes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.hardening.load import infer, post
from service.inference.engine import self_test_inputs
from tests import drawing

_LABELS = range(5)


@dataclass(frozen=True)
class Kind:
    """A kind of request: samples, each with its head, and how many are sent a round."""

    name: str
    requests: list[bytes]
    round: int


def kinds() -> list[Kind]:
    """Return all measured kinds, the cheapest first."""
    small = [drawing.encode(drawing.digit(label, side=28, size=20, ink=255, paper=0)) for label in _LABELS]
    medium = [drawing.encode(_photo(label, 512, 512)) for label in _LABELS]
    large = [drawing.encode(_photo(label, 4000, 3000), "JPEG", quality=85) for label in _LABELS]
    both = {"binary_data_output": True}  # binary data both ways
    return [
        Kind("tensor, 1", [infer(self_test_inputs(1, 1), parameters=both)], 400),
        Kind("tensor, 256", [infer(self_test_inputs(1, 256), parameters=both)], 40),
        Kind("28x28 PNG", [*map(post, small)], 1000),
        Kind("512x512 PNG", [*map(post, medium)], 100),
        Kind("12 MP JPEG", [post(content, content_type="image/jpeg") for content in large], 60),
    ]


def _photo(label: int, width: int, height: int) -> Image.Image:
    """Return a colour picture of a digit on paper, with uneven light and sensor noise."""
    digit = drawing.digit(label, side=height, size=height * 0.6, ink=60, paper=205)
    soft = digit.filter(ImageFilter.GaussianBlur(height / 700)).resize((width, height))
    light = np.linspace(0.85, 1.1, width)[np.newaxis, :, np.newaxis]
    noise = np.random.default_rng(label).normal(0, 2, (height, width, 3))
    pixels = np.asarray(soft, np.float64)[:, :, np.newaxis] * light + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
