"""Greyscale pixels -> the 28x28 digit that MNIST would hold, or "no digit here".

MNIST's digits were fitted into a box of 20x20 pixels at their own aspect ratio, grey from the antialiasing, and put
into 28x28 so that their centre of mass is at the centre (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning
Applied to Document Recognition", section III.A). The same is done here, a stage a function, to pictures of any size:

    shrink -> ink_on_black -> (already MNIST's form: done) -> stretch -> crop -> fit -> centre
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.contract import IMAGE_SIDE
from service.errors import NoDigit

Grey = npt.NDArray[np.uint8]  # [height, width]
Ink = npt.NDArray[np.float32]  # [height, width], 0 = background, 1 = full ink

BOX_SIDE = 20
# Over the training images the centre of mass lies between 13.5 and 14.5 in 99.9% of them, counted from the middle of
# the first pixel: MNIST's centre is the middle of pixel 14, reached by whole pixels.
CENTRE = 14

_WORKING_SIDE = 512  # a digit needs 20; this leaves room for one that takes a small part of the picture
_MNIST_INK = 240  # the whitest pixel of a digit of MNIST is never below 253
_MIN_CONTRAST = 20  # grey levels between paper and ink; pencil on paper has about 40
_MIN_SIDE = 3  # pixels; what is smaller is a speck
_NOISE = 4.5  # median absolute deviations; three standard deviations of Gaussian noise
_INK_FROM = 0.15  # of full ink: from here on a pixel counts as part of the digit


def canonical_digit(grey: Grey) -> Grey:
    """Return the digit in a picture as MNIST would hold it, uint8 [28, 28], 0 = background, 255 = ink.

    `grey` is uint8 [height, width], dark on light or light on dark. An image that is in MNIST's form already comes
    back as it is.

    Raises:
        NoDigit: the picture is blank, or its ink cannot be told from its background.
    """
    ink = ink_on_black(shrink(grey))
    if in_mnist_form(ink):
        return ink
    return centre(fit(crop(stretch(ink))))


def shrink(grey: Grey) -> Grey:
    """Average whole blocks of pixels until the longer side is below twice the working size."""
    factor = max(grey.shape) // _WORKING_SIDE
    if factor <= 1:
        return grey
    return np.asarray(Image.fromarray(grey).reduce(factor))


def ink_on_black(grey: Grey) -> Grey:
    """Return how far each pixel is from the background towards the ink, uint8 [height, width].

    The background is the median, give or take its noise: digits take up less than half of the picture even where they
    touch its border. Ink is on that side of it, lighter or darker, on which more lies; differences count squared, so
    that a little ink outweighs much shading.
    """
    background = _median(grey)
    noise = round(_NOISE * _median(np.maximum(grey, background) - np.minimum(grey, background)))
    low, high = max(background - noise, 0), min(background + noise, 255)
    lighter = np.maximum(grey, high) - high
    darker = low - np.minimum(grey, low)
    return lighter if _energy(lighter) >= _energy(darker) else darker


def in_mnist_form(ink: Grey) -> bool:
    """Tell whether an image is 28x28 with a digit that fills the box of 20x20 and is centred by its mass."""
    if ink.shape != (IMAGE_SIDE, IMAGE_SIDE):
        return False
    rows, columns = ink.sum(axis=1, dtype=np.float64), ink.sum(axis=0, dtype=np.float64)
    longest = max(_extent(rows), _extent(columns))
    if not BOX_SIDE - 1 <= longest <= BOX_SIDE or ink.max() < _MNIST_INK:
        return False
    return all(abs(_centre_of_mass(profile) - CENTRE) <= 0.55 for profile in (rows, columns))


def stretch(ink: Grey) -> Ink:
    """Return the ink on a scale from 0 to 1, its usual darkness.

    Raises:
        NoDigit: there is no ink, or too little difference between it and the background.
    """
    full = _median(ink[ink > ink.max() // 2]) if ink.any() else 0
    if full < _MIN_CONTRAST:
        raise NoDigit("The picture is blank or too faint: send one digit that stands out from its background.")
    return np.minimum(ink / np.float32(full), np.float32(1))


def crop(ink: Ink) -> Ink:
    """Return the smallest rectangle that holds all ink.

    Raises:
        NoDigit: all ink is one speck.
    """
    inked = ink >= _INK_FROM
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(cropped.shape) < _MIN_SIDE:
        raise NoDigit("The picture shows a speck and no digit: send one digit that is at least a few pixels high.")
    return cropped


def fit(ink: Ink) -> Ink:
    """Scale to the box of 20x20, the aspect ratio kept, antialiased, the darkest pixel full ink again."""
    height, width = ink.shape
    scale = BOX_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    fitted = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.HAMMING))
    # A line thinner than a pixel of the box comes out grey all along; the digits of MNIST are white somewhere.
    brightened: Ink = np.clip(fitted / fitted.max(), 0, 1)
    return brightened


def centre(ink: Ink) -> Grey:
    """Put a box of at most 20x20 into 28x28 with its centre of mass at the centre, as uint8, 255 = ink."""
    top, left = (_offset(ink.sum(axis=axis, dtype=np.float64)) for axis in (1, 0))
    digit = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    height, width = ink.shape
    digit[top : top + height, left : left + width] = np.rint(ink * 255)
    return digit


def _offset(profile: npt.NDArray[np.float64]) -> int:
    offset = int(np.floor(CENTRE - _centre_of_mass(profile) + 0.5))
    return min(max(offset, 0), IMAGE_SIDE - len(profile))


def _centre_of_mass(profile: npt.NDArray[np.float64]) -> float:
    return float(profile @ np.arange(len(profile)) / profile.sum())


def _extent(profile: npt.NDArray[np.float64]) -> int:
    inked = np.flatnonzero(profile)
    return int(inked[-1] - inked[0] + 1) if inked.size else 0


def _energy(difference: Grey) -> float:
    values = difference.ravel().astype(np.float32)
    return float(values @ values)


def _median(pixels: Grey) -> int:
    values = pixels.ravel()
    middle = (values.size - 1) // 2
    return int(np.partition(values, middle)[middle])
