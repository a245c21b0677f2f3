"""Contrast -> ink: how much of it lies on each pixel, and which pixels are part of a stroke."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Floats, Histogram, Mask

_CALM, _NOISY = 0.6, 1.3  # pixels: standard deviations of the smoothing
_MIN_CONTRAST = 9.0  # grey levels; pencil on paper has about 40
_NOISE_FROM = 0.05  # of the strongest contrast: noise that asks for more smoothing
_WEAK, _STRONG, _TRACE = 0.3, 0.55, 0.12  # of the ink's own darkness
_WEAKEST_OF_BITMAP, _INK_OF_BITMAP = 0.5, 0.65  # of its darkness; of the strongest contrast: less may be a shadow


class Ink(NamedTuple):
    """Ink on even paper.

    `amount` is float32 [height, width], 0 = paper, 1 = the usual darkness of the ink; `noise` is the paper's standard
    deviation on the same scale; `contrast` is what 1 stands for, in grey levels.
    """

    amount: Floats
    noise: float
    contrast: float

    @property
    def strokes(self) -> Mask:
        """The pixels that can be part of a stroke."""
        return _above(self.amount, max(_WEAK, min(0.5, 4 * self.noise)))

    @property
    def traces(self) -> Mask:
        """The pixels with any trace of ink: here a faint line is still whole."""
        return _above(self.amount, max(_TRACE, 3 * self.noise))

    @property
    def cores(self) -> npt.NDArray[np.bool_]:
        """The pixels that are ink beyond doubt; a stroke has some."""
        return self.amount > _STRONG


def to_ink(contrast: Floats, *, even: bool) -> Ink | None:
    """Scale `contrast`, float32 [height, width] in grey levels, so that the ink's usual darkness is 1.

    Where the light is not `even` the paper is not at zero yet: closings follow the upper side of the noise. None where
    nothing stands out from the noise.
    """
    calm, noise, strongest = _smoothed(contrast, _CALM, even)
    if noise > _NOISE_FROM * strongest:
        calm, noise, strongest = _smoothed(contrast, _NOISY, even)
    inked = calm[calm > max(4 * noise, _MIN_CONTRAST / 2, strongest / 2)]
    if inked.size < 6:
        return None
    full = float(np.median(inked))
    if full < max(_MIN_CONTRAST, 5 * noise):
        return None
    return Ink(calm / np.float32(full), noise / full, full)


def bitmap_ink(contrast: Floats) -> Ink | None:
    """Scale the contrast of a small bitmap: much of its ink is an edge, and half of an edge is paper.

    None where nothing stands out.
    """
    full = float(np.median(contrast[contrast >= _INK_OF_BITMAP * contrast.max()]))
    if full < _MIN_CONTRAST:
        return None
    return Ink(contrast / np.float32(full), _WEAKEST_OF_BITMAP / 4, full)


def _smoothed(contrast: Floats, deviation: float, even: bool) -> tuple[Floats, float, float]:
    """Return the contrast smoothed, the noise of the paper in it, and that of the darkest strokes, in grey levels."""
    calm = np.asarray(cv2.GaussianBlur(contrast, (0, 0), deviation), np.float32)
    levels = Histogram(calm)
    paper = 0.0 if even else levels.quantile(0.5)
    rough = _spread(levels, paper, levels.quantile(0.999))
    clear = levels.share_below(paper + max(4 * rough, _MIN_CONTRAST / 2))
    darkest = levels.quantile(clear + 0.98 * (1 - clear))
    calm -= np.float32(paper)
    return calm, _spread(levels, paper, darkest), darkest - paper


def _spread(levels: Histogram, paper: float, darkest: float) -> float:
    """Return the standard deviation of what is nearer to `paper` than to `darkest`, by its quartiles."""
    near = levels.share_below((paper + darkest) / 2)
    return (levels.quantile(0.75 * near) - levels.quantile(0.25 * near)) / 1.349


def _above(amount: Floats, level: float) -> Mask:
    return (amount > level).view(np.uint8)
