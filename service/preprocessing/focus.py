"""A picture with little writing -> the part of it to look at from nearer."""

import cv2
import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import LONGEST_SIDE, Floats, Grey, components, halved, morphed

_TIMES = 4  # times as fine as the working copy at most is what is looked at
_STROKE = 15  # pixels of that: the widest stroke
_LEAST, _NOISE = 12.0, 6.0  # grey levels, times the median: how far the writing stands out at least
_INK = 0.4, 4.0, 4.0  # of the strongest, times the median, and grey levels beyond: what is ink
_NEAR = 11  # pixels: ink that belongs together
_MOST = 0.7  # of all ink is in one place
_ROOM = 1.2  # times the longer side of the writing, around it
_NEARER = 0.5  # of the picture's longer side at most: a part that shows more
_AROUND = 0.4  # times the longer side of a figure, around it


def focused(grey: Grey) -> Grey | None:
    """Return the part of a picture, uint8 [height, width], around the only writing, None where that is no nearer."""
    if max(grey.shape) < 2 * LONGEST_SIDE:
        return None
    copy = halved(grey, _TIMES * LONGEST_SIDE)
    found = [_place(morphed(copy, way, _STROKE)) for way in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)]
    ink, box = max(found, key=lambda each: each[0])
    if not ink:
        return None
    part = surroundings(grey, box, max(grey.shape) / max(copy.shape), _ROOM)
    return part if max(part.shape) < _NEARER * max(grey.shape) else None


def _place(contrast: Grey) -> tuple[float, Box]:
    """Return the ink where most of it is, 0 where nothing stands out or it is in several places, and its bounds."""
    smooth: Floats = np.asarray(cv2.GaussianBlur(contrast.astype(np.float32), (0, 0), 1), np.float32)
    usual, most = float(np.median(smooth)), float(smooth.max())
    ink = (smooth > max(_INK[0] * most, _INK[1] * usual + _INK[2])).astype(np.uint8)
    _, labels, boxes = components(morphed(ink, cv2.MORPH_DILATE, _NEAR))
    amounts = np.bincount(labels.ravel(), (ink * smooth).ravel(), len(boxes))
    place = int(amounts.argmax())
    clear = most >= max(_LEAST, _NOISE * usual) and amounts[place] >= _MOST * amounts.sum()
    return (float(amounts[place]) if clear else 0.0), Box(*map(int, boxes[place][:4]))


def surroundings(grey: Grey, box: Box, scale: float, room: float = _AROUND) -> Grey:
    """Return the part of a picture around a box in a copy that is `scale` times as coarse; `room` in longer sides."""
    rows, columns = (
        slice(round(side.start * scale), round(side.stop * scale)) for side in box.slices(round(room * box.longer))
    )
    return grey[rows, columns]
