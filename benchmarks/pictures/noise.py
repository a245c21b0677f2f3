"""Random fields for paper, light and sensors. All float32 [height, width]."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

_SIDE = 1024  # of the cached fields, from which random parts are cut


def fine(rng: np.random.Generator, shape: tuple[int, int], blur: float = 0) -> Field:
    """Return normal noise of mean 0 and standard deviation 1, smoothed with a Gaussian of `blur` pixels."""
    field = _kept(blur)
    top, left = rng.integers(0, _SIDE, 2)
    rows, columns = (np.arange(length) + start for length, start in zip(shape, (top, left), strict=True))
    if rows[-1] < _SIDE and columns[-1] < _SIDE:
        cut = field[top : top + shape[0], left : left + shape[1]]
    else:
        cut = np.take(np.take(field, rows, 0, mode="wrap"), columns, 1, mode="wrap")
    return cut if rng.random() < 0.5 else -cut


def cloud(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Field:
    """Return smooth noise of about -1 to 1 with `cells` hills along the longer side."""
    scale = max(shape) / cells
    size = (int(shape[1] / scale) + 3, int(shape[0] / scale) + 3)
    knots = rng.uniform(-1, 1, size[::-1]).astype(np.float32)
    return np.asarray(cv2.resize(knots, shape[::-1], interpolation=cv2.INTER_CUBIC))


@lru_cache(maxsize=16)
def _kept(blur: float) -> Field:
    field = np.random.default_rng(round(blur * 100)).standard_normal((_SIDE, _SIDE), np.float32)
    if blur:
        reach = int(np.ceil(5 * blur))  # periodic, so that the field has no seam
        wider = cv2.GaussianBlur(np.pad(field, reach, mode="wrap"), (0, 0), blur)
        field = np.asarray(wider, np.float32)[reach:-reach, reach:-reach]
    return np.asarray(field / field.std())
