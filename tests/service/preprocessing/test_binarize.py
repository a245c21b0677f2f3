"""Contrast becomes ink: its usual darkness is 1, whatever the pen, and noise is none."""

import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.binarize import bitmap_ink, to_ink

Contrast = npt.NDArray[np.float32]


def contrast(height: float, noise: float = 0, seed: int = 1) -> Contrast:
    """Return the contrast of a bar of 10 x 60 pixels on paper of 100 x 100."""
    levels = np.random.default_rng(seed).normal(0, noise, (100, 100)) if noise else np.zeros((100, 100))
    levels[20:80, 45:55] += height
    return levels.astype(np.float32)


@pytest.mark.parametrize("height", [15, 60, 220])
def test_usual_darkness_is_1(height: float) -> None:
    ink = to_ink(contrast(height), even=True)
    assert ink.amount[50, 50] == pytest.approx(1, abs=0.02)
    assert ink.contrast == pytest.approx(height, rel=0.1)
    assert ink.strokes[50, 50] == ink.cores[50, 50] == 1
    assert ink.strokes[5, 5] == ink.traces[5, 5] == 0


def test_noise_is_measured_and_keeps_out_of_strokes() -> None:
    ink = to_ink(contrast(100, noise=10), even=True)
    assert 0.01 < ink.noise < 0.1
    assert ink.strokes[:, :40].mean() < 0.001
    assert ink.strokes[22:78, 47:53].all()


def test_traces_hold_what_is_too_faint_for_a_stroke() -> None:
    levels = contrast(100)
    levels[90:94] = 20
    ink = to_ink(levels, even=True)
    assert ink.traces[91:93, 10:90].all()
    assert not ink.strokes[91:93].any()


def test_paper_is_brought_to_zero() -> None:
    ink = to_ink(contrast(100) + np.float32(12), even=False)
    assert ink.amount[5, 5] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("levels", [contrast(0), contrast(5), contrast(0, noise=5), contrast(6, noise=4)])
def test_a_picture_without_contrast_is_rejected(levels: Contrast) -> None:
    assert to_ink(levels, even=True) is None


def test_ink_of_a_bitmap_is_what_is_darker_than_half() -> None:
    ink = bitmap_ink(np.array([[0, 40, 90], [10, 100, 60], [0, 100, 30]], np.float32))
    np.testing.assert_array_equal(ink.strokes, [[0, 0, 1], [0, 1, 1], [0, 1, 0]])
    assert bitmap_ink(np.full((8, 8), 3, np.float32)) is None
