"""Fading strokes become as dark as where they are whole; what else is faint stays so."""

import numpy as np

from service.preprocessing.fading import without_fading
from service.preprocessing.illumination import Floats

_WIDTH = 8


def _stroke(darkness: Floats) -> Floats:
    ink = np.zeros((40, len(darkness)), np.float32)
    ink[16 : 16 + _WIDTH] = darkness
    return ink


def test_a_stroke_in_a_reflection_becomes_whole() -> None:
    fading = _stroke(np.linspace(1, 0.3, 80, dtype=np.float32))
    assert without_fading(fading, _WIDTH)[20].min() > 0.85


def test_a_crease_that_touches_a_stroke_stays_faint() -> None:
    crease = _stroke(np.where(np.arange(80) < 40, 1, 0.4).astype(np.float32))
    assert np.array_equal(without_fading(crease, _WIDTH)[:, 50:], crease[:, 50:])


def test_even_strokes_are_left_as_they_are() -> None:
    even = _stroke(np.full(80, 0.9, np.float32))
    assert without_fading(even, _WIDTH) is even
