"""Greyscale pixels -> the 28x28 digit that MNIST would hold, or why there is none.

MNIST's digits were fitted into a box of 20x20 pixels at their own aspect ratio, grey from the antialiasing, and put
into 28x28 so that their centre of mass is at the centre (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning
Applied to Document Recognition", section III.A). The same is done here to pictures of any size, a stage a function:

    already MNIST's form: done
    clear: one figure on even paper -> fit -> centre
    otherwise: working_copy -> sheet -> light -> ink -> figure (the best reading; nearer if small) -> fit -> centre

docs/preprocessing.md shows a picture after each step.
"""

import cv2
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from service.errors import NoDigit, SeveralDigits
from service.preprocessing.binarize import bitmap_ink, to_ink
from service.preprocessing.bitmap import LEAST_SIDE, is_noise, unmagnified, without_bars
from service.preprocessing.clear import find_clear
from service.preprocessing.fading import without_fading
from service.preprocessing.focus import focused, surroundings
from service.preprocessing.illumination import (
    EvenLight,
    Floats,
    Grey,
    Light,
    Mask,
    UnevenLight,
    lights,
    median,
    morphed,
    resized,
    working_copy,
)
from service.preprocessing.page import copy_of_sheet, find_sheet, rim_of
from service.preprocessing.segment import Figure, find_figure

BOX_SIDE = 20
# Over the training images the centre of mass lies between 13.5 and 14.5 in 99.9% of them, counted from the middle of
# the first pixel: MNIST's centre is the middle of pixel 14, reached by whole pixels.
CENTRE = 14

_SEVERAL = "The picture shows several figures: send one digit at a time, or all of them to POST /predict/number."
_NO_LARGER = 1.1  # times the figure from further away
_BITMAP = 40  # pixels: so small a picture holds one digit and nothing else
_MNIST_INK = 240  # the whitest pixel of a digit of MNIST is never below 253
_STROKE_WIDTHS, _STROKE_OF_BITMAP = (0.16, 0.08, 0.34), 0.34  # of the working copy: the widest stroke in uneven light
_FINE = 4  # the stroke weight is set at this multiple of the box's resolution
# Pixels of the box. Over the training images the mean width lies between 1.7 and 3.9 in 90% of them.
_THINNEST, _BOLDEST = 2.0, 3.25


def canonical_digit(grey: Grey) -> Grey:
    """Return the digit in a picture as MNIST would hold it, uint8 [28, 28], 0 = background, 255 = ink.

    `grey` is uint8 [height, width], dark on light or light on dark. An image that is in MNIST's form already comes
    back as it is.

    Raises:
        NoDigit: the picture is blank, or holds nothing like the strokes of a digit.
        SeveralDigits: it holds more than one figure.
    """
    ink = canonical_already(grey)
    return fitted_digit(grey) if ink is None else ink


def fitted_digit(grey: Grey) -> Grey:
    """Return what `canonical_digit` does where the image is not in MNIST's form."""
    if min(grey.shape) < LEAST_SIDE:
        raise NoDigit("The picture is only a line wide: send one digit with some background around it.")
    return centre(fit(find(grey)))


def canonical_already(grey: Grey) -> Grey | None:
    """Return what `canonical_digit` does where the image is in MNIST's form already, None where it is not."""
    if grey.shape != (IMAGE_SIDE, IMAGE_SIDE):
        return None
    ink = ink_on_black(grey)
    return ink if in_mnist_form(ink) else None


def ink_on_black(grey: Grey) -> Grey:
    """Return how far each pixel is from the background towards the ink, uint8 [height, width].

    The background is the median: digits take up less than half of the picture even where they touch its border. Ink is
    on that side of it, lighter or darker, on which more lies; differences count squared, so that a little ink outweighs
    much shading.
    """
    if 2 * np.count_nonzero(grey) < grey.size:  # the background is 0
        return grey
    background = median(grey)
    lighter = np.maximum(grey, background) - background
    darker = background - np.minimum(grey, background)
    return lighter if cv2.norm(lighter, cv2.NORM_L2SQR) >= cv2.norm(darker, cv2.NORM_L2SQR) else darker


def in_mnist_form(ink: Grey) -> bool:
    """Tell whether an image is 28x28 with a digit that fills the box of 20x20 and is centred by its mass."""
    if ink.shape != (IMAGE_SIDE, IMAGE_SIDE):
        return False
    _, _, width, height = cv2.boundingRect(ink)
    if not BOX_SIDE - 1 <= max(width, height) <= BOX_SIDE or ink.max() < _MNIST_INK:
        return False
    mass = cv2.moments(ink)
    return all(abs(mass[moment] / mass["m00"] - CENTRE) <= 0.55 for moment in ("m10", "m01"))


def find(grey: Grey) -> Floats:
    """Return the ink of the figure in a picture, float32 [height, width], from the reading that shows it most clearly.

    Raises:
        NoDigit, SeveralDigits: as `canonical_digit`.
    """
    picture = unmagnified(grey)
    clear = find_clear(picture)
    if clear is not None:
        return clear
    best = _found_in_bitmap(without_bars(picture)) if max(picture.shape) <= _BITMAP else _found(picture)
    if best is None or best.folds:
        raise NoDigit("Nothing in the picture looks like strokes of a digit: send one digit on its own.")
    if best.several:
        raise SeveralDigits(_SEVERAL)
    return best.ink


def _found_in_bitmap(grey: Grey) -> Figure | None:
    """Return the figure in a bitmap, which has no room for shadows' edges or for two, and often none for paper."""
    grey = np.ascontiguousarray(grey)
    even = EvenLight.of(grey, strict=False)
    if is_noise(grey, median(grey) if even is None else even.level):
        return None
    scaled = working_copy(grey)
    none, pixel = np.zeros_like(scaled), max(1, max(scaled.shape) // max(grey.shape))
    best = None if even is None else _attempt(None, even, scaled, none, pixel=pixel)
    if best is not None and best.sure and EvenLight.of(grey) is not None:  # else a shadow may be part of the figure
        return best
    for light_ink in (False, True):
        light = UnevenLight(int(_STROKE_OF_BITMAP * max(scaled.shape)), light_ink)
        best = _attempt(best, light, scaled, none, pixel=pixel)
    return best


def _found(grey: Grey) -> Figure | None:
    """Return the figure in a picture. A small one that is on no sheet is looked at from nearer."""
    figure, on_sheet, side = _look(grey)
    if on_sheet or (figure is not None and (figure.several or figure.box.longer >= side / 2)):
        return figure
    return _from_nearer(grey, max(grey.shape) / side, figure)


def _look(grey: Grey) -> tuple[Figure | None, bool, int]:
    """Return the figure on the sheet in a picture, if there is one, else anywhere.

    Also whether there is a sheet, and the longer side, in pixels, of the copy in which it was looked for.
    """
    scaled = working_copy(grey)
    sheet = find_sheet(scaled)
    figure = _best(scaled, rim_of(scaled)) if sheet is None else _best(*copy_of_sheet(grey, sheet))
    return figure, sheet is not None, max(scaled.shape)


def _from_nearer(grey: Grey, scale: float, figure: Figure | None) -> Figure | None:
    """Return what is found from nearer than in a copy `scale` times as coarse, in which the figure is small or none.

    What seems a small figure may be a slip of paper, with the figure on it or empty. A larger one is what was drawn
    around it.
    """
    part = focused(grey) if figure is None else surroundings(grey, figure.box, scale)
    if part is None:
        return None
    found, on_sheet, side = _look(part)
    if on_sheet or figure is None or (found is not None and found.several):
        return found
    if found is None:
        return figure
    longer = found.box.longer * max(part.shape) / side
    return found if longer <= _NO_LARGER * scale * figure.box.longer else figure


def _best(scaled: Grey, rim: Mask) -> Figure | None:
    """Return the figure of the clearest reading, if any shows strokes."""
    best = None
    for light in lights(scaled, (int(share * max(scaled.shape)) for share in _STROKE_WIDTHS)):
        best = _attempt(best, light, scaled, rim)
        if best is not None and best.sure:
            break
    return best


def _attempt(best: Figure | None, light: Light, scaled: Grey, rim: Mask, *, pixel: int = 0) -> Figure | None:
    """Return the clearer of `best` and the figure in a light; `pixel` is the width of a bitmap's pixels, else 0."""
    contrast = light.contrast(scaled, pixel)
    ink = bitmap_ink(contrast.levels) if pixel else to_ink(contrast.levels, even=light.widest is None)
    if ink is None:
        return best
    figure = find_figure(ink, contrast, rim, best.score if best else 0, widest=light.widest, alone=pixel > 0)
    if figure is None or not (figure.likely or pixel) or (best is not None and best.score >= figure.score):
        return best
    return figure


def fit(ink: Floats) -> Floats:
    """Scale ink, float32 [height, width] from 0 to 1, to the box of 20x20 with strokes of MNIST's weight.

    The aspect ratio is kept, the edges are antialiased, and the darkest pixel is full ink.
    """
    fine = _weighed(_scaled(ink, _FINE * BOX_SIDE))
    left, top, width, height = cv2.boundingRect((fine > 0.3).view(np.uint8))
    fitted = _scaled(fine[top : top + height, left : left + width], BOX_SIDE)
    return np.asarray(np.clip(fitted / fitted.max(), 0, 1), np.float32)


def _scaled(ink: Floats, side: int) -> Floats:
    return resized(ink, side / max(ink.shape), cv2.INTER_CUBIC)


def _weighed(ink: Floats) -> Floats:
    """Widen or narrow strokes that are outside the range of MNIST's, at `_FINE` times the box's resolution."""
    room = 2 * _FINE
    padded = cv2.copyMakeBorder(np.clip(ink / ink.max(), 0, 1), room, room, room, room, cv2.BORDER_CONSTANT)
    smooth = np.asarray(cv2.GaussianBlur(padded, (0, 0), 0.2 * _FINE), np.float32)
    width = stroke_width(smooth)
    smooth = without_fading(smooth, width)
    missing = min(max(width, _FINE * _THINNEST), _FINE * _BOLDEST) - width
    radius = round(abs(missing) / 2)
    if radius == 0:
        return smooth
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    weighed = cv2.dilate(smooth, disc) if missing > 0 else cv2.erode(smooth, disc)
    return np.asarray(weighed, np.float32)


def stroke_width(ink: Floats) -> float:
    """Return the mean width of the strokes in `ink`, float32 [height, width] from 0 to 1, in pixels.

    Twice the distance to the paper along the strokes' middle, where that distance is largest.
    """
    strokes = (ink >= 0.5).view(np.uint8)
    inside = np.asarray(cv2.distanceTransform(strokes, cv2.DIST_L2, 3), np.float32)
    middle = np.asarray(cv2.compare(inside, morphed(inside, cv2.MORPH_DILATE, 3), cv2.CMP_GE), np.uint8)
    return 2 * cv2.mean(inside, middle & strokes)[0] or 1.0


def centre(ink: Floats) -> Grey:
    """Put a box of at most 20x20 into 28x28 with its centre of mass at the centre, as uint8, 255 = ink."""
    top, left = (_offset(ink.sum(axis=axis, dtype=np.float64)) for axis in (1, 0))
    digit = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    height, width = ink.shape
    digit[top : top + height, left : left + width] = np.rint(ink * 255)
    return digit


def _offset(profile: npt.NDArray[np.float64]) -> int:
    middle = float(profile @ np.arange(len(profile)) / profile.sum())
    return min(max(int(np.floor(CENTRE - middle + 0.5)), 0), IMAGE_SIDE - len(profile))
