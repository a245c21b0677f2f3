"""Greyscale pixels -> the 28x28 digit that MNIST would hold, or why there is none.

MNIST's digits were fitted into a box of 20x20 pixels at their own aspect ratio, grey from the antialiasing, and put
into 28x28 so that their centre of mass is at the centre (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning
Applied to Document Recognition", section III.A). The same is done here to pictures of any size, a stage a function:

    already MNIST's form: done
    otherwise: working_copy -> sheet -> contrast -> ink -> figure (the best of several readings) -> fit -> centre

`docs/canonical.png` shows pictures before and after.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from service.errors import NoDigit, RequestError, SeveralDigits
from service.figure import Figure, find_figure
from service.ink import to_ink
from service.light import Floats, Grey, even_contrast, sheet, uneven_contrast

BOX_SIDE = 20
# Over the training images the centre of mass lies between 13.5 and 14.5 in 99.9% of them, counted from the middle of
# the first pixel: MNIST's centre is the middle of pixel 14, reached by whole pixels.
CENTRE = 14

LONGEST_SIDE, SHORTEST_SIDE = 512, 128  # pixels of the working copy's longer side
_MIN_SIDE = 3
_NOISE = 4.5  # median absolute deviations; three standard deviations of Gaussian noise
_MNIST_INK = 240  # the whitest pixel of a digit of MNIST is never below 253
_STROKE_WIDTHS = 0.06, 0.12, 0.24, 0.48  # of the working copy: the widest stroke of each reading in uneven light
_CLEARLY = 1.5  # times the ink of a narrower reading: what shows only among wider strokes is mostly shadow
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
    if ink is not None:
        return ink
    if min(grey.shape) < _MIN_SIDE:
        raise NoDigit("The picture is only a line wide: send one digit with some background around it.")
    return centre(fit(find(grey).ink))


def canonical_already(grey: Grey) -> Grey | None:
    """Return what `canonical_digit` does where the image is in MNIST's form already, None where it is not."""
    if grey.shape != (IMAGE_SIDE, IMAGE_SIDE):
        return None
    ink = ink_on_black(grey)
    return ink if in_mnist_form(ink) else None


def ink_on_black(grey: Grey) -> Grey:
    """Return how far each pixel is from the background towards the ink, uint8 [height, width].

    The background is the median, give or take its noise: digits take up less than half of the picture even where they
    touch its border. Ink is on that side of it, lighter or darker, on which more lies; differences count squared, so
    that a little ink outweighs much shading.
    """
    if 2 * np.count_nonzero(grey) < grey.size:  # the background is 0, and so is its noise
        return grey
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
    _, _, width, height = cv2.boundingRect(ink)
    if not BOX_SIDE - 1 <= max(width, height) <= BOX_SIDE or ink.max() < _MNIST_INK:
        return False
    mass = cv2.moments(ink)
    return all(abs(mass[moment] / mass["m00"] - CENTRE) <= 0.55 for moment in ("m10", "m01"))


def find(grey: Grey) -> Figure:
    """Return the figure in a picture, from the reading of its light that shows strokes most clearly.

    Raises:
        NoDigit, SeveralDigits: as `canonical_digit`.
    """
    inside = sheet(working_copy(grey))
    picture = grey if inside is None else inside
    small = max(picture.shape) < SHORTEST_SIDE
    scaled = working_copy(picture)
    best, refusal = None, None
    for reading in _readings(picture, scaled):
        if isinstance(reading, RequestError):
            refusal = refusal if isinstance(refusal, SeveralDigits) else reading
            continue
        if best is None or reading.sure or reading.weight > _CLEARLY * best.weight:
            best = reading
        if best.sure:
            break
    if best is None or not (best.weight or best.sure or small):
        raise refusal or NoDigit("Nothing in the picture looks like strokes of a digit: send one digit on its own.")
    return best


def _readings(picture: Grey, scaled: Grey) -> Iterator[Figure | RequestError]:
    """Read the picture in even light, then in uneven light with ever wider strokes, ink dark and light each."""
    bitmap = max(picture.shape) < SHORTEST_SIDE
    contrast = even_contrast(picture if bitmap else scaled, scaled)
    if contrast is not None:
        figure = _attempt(contrast, None)
        yield figure
        # A bitmap has no room for shadows, and often none for paper around the digit.
        if bitmap or isinstance(figure, SeveralDigits):
            return
    for share in _STROKE_WIDTHS:
        widest = max(3, int(share * max(scaled.shape)))
        dark, light = (
            _attempt(uneven_contrast(scaled, widest, light_ink=light_ink), widest) for light_ink in (False, True)
        )
        yield _outer(dark, light)


def _attempt(contrast: Floats, widest: int | None) -> Figure | RequestError:
    try:
        return find_figure(to_ink(contrast, even=widest is None), widest=widest)
    except RequestError as error:
        return error


def _outer(dark: Figure | RequestError, light: Figure | RequestError) -> Figure | RequestError:
    """Return the reading that is ink: what lies between strokes lies within their bounds, never around them."""
    if isinstance(dark, RequestError) or isinstance(light, RequestError):
        return light if isinstance(dark, RequestError) else dark
    small, large = sorted((dark, light), key=lambda figure: figure.box.area)
    larger = min(dark.weight, light.weight) > 0 and large.box.area > 1.1 * small.box.area
    if larger and large.box.common_area(small.box) > 0.6 * small.box.area:
        return large
    return max(dark, light, key=lambda figure: figure.weight)


def working_copy(grey: Grey) -> Grey:
    """Scale so that the longer side has 128 to 512 pixels: pictures shrink by averaging, bitmaps grow without steps."""
    height, width = grey.shape
    longest = max(grey.shape)
    if longest > LONGEST_SIDE:
        factor = LONGEST_SIDE / longest
        size = max(1, round(width * factor)), max(1, round(height * factor))
        return np.asarray(cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA), np.uint8)
    if longest >= SHORTEST_SIDE:
        return grey
    times = -(-SHORTEST_SIDE // longest)
    grown = cv2.resize(np.ascontiguousarray(grey), (width * times, height * times), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.35 * times), np.uint8)


def fit(ink: Floats) -> Floats:
    """Scale ink, float32 [height, width] from 0 to 1, to the box of 20x20 with strokes of MNIST's weight.

    The aspect ratio is kept, the edges are antialiased, and the darkest pixel is full ink.
    """
    fine = _weighed(_scaled(ink, _FINE * BOX_SIDE))
    rows, columns = (np.flatnonzero((fine > 0.3).any(axis=axis)) for axis in (1, 0))
    fitted = _scaled(fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], BOX_SIDE)
    return np.asarray(np.clip(fitted / fitted.max(), 0, 1), np.float32)


def _scaled(ink: Floats, side: int) -> Floats:
    height, width = ink.shape
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(
        cv2.resize(ink, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), np.float32
    )


def _weighed(ink: Floats) -> Floats:
    """Widen or narrow strokes that are outside the range of MNIST's, at `_FINE` times the box's resolution."""
    room = 4 * _FINE
    padded = cv2.copyMakeBorder(np.clip(ink / ink.max(), 0, 1), room, room, room, room, cv2.BORDER_CONSTANT)
    smooth = np.asarray(cv2.GaussianBlur(padded, (0, 0), 0.2 * _FINE), np.float32)
    width = stroke_width(smooth)
    missing = min(max(width, _FINE * _THINNEST), _FINE * _BOLDEST) - width
    radius = round(abs(missing) / 2)
    if radius == 0:
        return smooth
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    weighed = cv2.dilate(smooth, disc) if missing > 0 else cv2.erode(smooth, disc)
    return np.asarray(weighed, np.float32) if weighed.max() > 0.5 else smooth


def stroke_width(ink: Floats) -> float:
    """Return the mean width of the strokes in `ink`, float32 [height, width] from 0 to 1, in pixels.

    Twice the distance to the paper along the strokes' middle, where that distance is largest.
    """
    inside = cv2.distanceTransform((ink >= 0.5).view(np.uint8), cv2.DIST_L2, 3)
    middle = (inside > 0) & (inside >= cv2.dilate(inside, np.ones((3, 3), np.uint8)))
    return 2 * float(inside[middle].mean()) if middle.any() else 1.0


def centre(ink: Floats) -> Grey:
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


def _energy(difference: Grey) -> float:
    values = difference.ravel().astype(np.float32)
    return float(values @ values)


def _median(pixels: Grey) -> int:
    values = pixels.ravel()
    middle = (values.size - 1) // 2
    return int(np.partition(values, middle)[middle])
