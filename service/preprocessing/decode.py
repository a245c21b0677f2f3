"""Uploaded bytes -> greyscale pixels, or a refusal that says what is wrong with them.

`formats` takes what the pixels need out of the file, and the size is checked, before anything is decoded. Whatever a
decoder raises over bytes that a stranger sent becomes one of the errors of this service.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import cv2
import numpy as np
from PIL import (
    Image,
    WebPImagePlugin,  # noqa: F401  it registers itself; Pillow would load all its plugins to find it
)

from service.errors import NoDigit, RequestError, TooLarge, UnreadableImage
from service.preprocessing.colours import OPAQUE, as_pixels, grey_levels, hides_ink, look_at, probe
from service.preprocessing.formats import Still, still
from service.preprocessing.illumination import Grey

ENOUGH = 900  # pixels of the longer side that are kept of a large picture: a tenth of it still shows a digit's strokes

Image.preinit()  # the plugins of the formats: the first request need not wait for them
# `decode` has its own, smaller limit, and refuses instead of warning.
Image.MAX_IMAGE_PIXELS = None
# What Pillow warns about in a stranger's file (an invalid animation) is no concern of whoever runs this.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Nor is what OpenCV would write to stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_DIM = 64  # of 256: at most 14 of 16 bits are used
_LEAST_WEBP = 32  # bytes; OpenCV takes no smaller one
_TAIL, _MOST_ROWS = 4096, 0.9  # bytes that stand for a missing end; of the rows of a JPEG without it
PIXEL_BYTES = 4  # of the pictures by which `max_pixels` is meant
_LEAST_SIDE = 4  # pixels; a line of 1 x 30000 is no digit
_LARGE_BYTES = 8 << 20  # from here on pictures are decoded one at a time: more at once take memory and save no time
_BAND_PIXELS = 1 << 18  # as many are converted at a time, so that no copy of a large picture is made

# The C library keeps what a thread has freed for that thread: decoded in each of eight, they would hold 8 x 50 MB.
_for_large_ones = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-pictures")


def decode(content: bytes | Still, *, max_pixels: int) -> Grey:
    """Return the first frame of an encoded picture as grey levels, uint8 [height, width], 0 = black, upright.

    Reads PNG, JPEG, GIF, BMP, WebP, HEIC, AVIF and TIFF of every colour mode. 16 bits are scaled to 8; transparency is
    composited on the background on which the ink stays visible; where colour alone tells ink from paper, the mixture
    that shows it is taken; the EXIF orientation is applied. A large picture comes back reduced by a whole factor, with
    at least `ENOUGH` pixels on its longer side.

    `max_pixels` is width times height of a picture that takes four bytes a pixel. What decodes in less may be larger,
    a JPEG, which is decoded reduced, eight times; what takes more must be smaller.

    Raises:
        UnsupportedImage: the bytes are in none of the formats.
        UnreadableImage: the format is one of them, and the picture is damaged, truncated or has no pixels.
        TooLarge: it has more pixels than are allowed of its kind; nothing was decoded.
        NoDigit: it is narrower than any digit.
    """
    picture = content if isinstance(content, Still) else still(content)
    _check_size(picture, max_pixels)
    try:
        levels = _for_large_ones.submit(_grey_levels, picture).result() if _is_large(picture) else _grey_levels(picture)
        return _upright(levels, picture.orientation)
    except RequestError:
        raise
    # A damaged file makes decoders raise OSError, SyntaxError, ValueError, struct.error, cv2.error and more.
    except Exception as error:
        raise UnreadableImage from error


def _check_size(picture: Still, max_pixels: int) -> None:
    width, height = picture.width, picture.height
    allowed = int(max_pixels * PIXEL_BYTES / picture.pixel_bytes)
    if width * height > allowed:
        raise TooLarge(f"The picture has {width} x {height} pixels, allowed are {allowed} in all: send a smaller one.")
    if width <= 0 or height <= 0:
        raise UnreadableImage("The picture has no pixels: send the whole file again.")
    if min(width, height) < _LEAST_SIDE:
        raise NoDigit(f"A picture of {width} x {height} pixels holds no digit: send one that is wide and high enough.")


def _is_large(picture: Still) -> bool:
    return picture.width * picture.height * picture.pixel_bytes > _LARGE_BYTES


def _grey_levels(picture: Still) -> Grey:
    if picture.format == "WEBP" and not picture.animated and len(picture.content) >= _LEAST_WEBP:
        # Pillow's way over an animation takes three times the memory.
        lean = _is_large(picture) and picture.pixel_bytes <= PIXEL_BYTES
        return _assemble(_by_opencv(picture, cv2.IMREAD_GRAYSCALE if lean else cv2.IMREAD_UNCHANGED))
    if not picture.ended:
        return _known_rows(picture)
    image = _load(picture, "L")
    if picture.format == "PNG" and _is_dim_of_16_bits(image, picture.content):
        return _assemble(_by_opencv(picture, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE))
    if picture.colours_spared and image.mode == "L" and hides_ink(probe(image)):
        image = _load(picture, None)
    return _assemble(image)


def _load(picture: Still, mode: str | None) -> Image.Image:
    """Decode by Pillow. `mode` "L" spares a JPEG its colours, None does not; other formats come as they are."""
    image: Image.Image = Image.open(BytesIO(picture.content), formats=(picture.format,))
    if image.size != (picture.width, picture.height):
        raise UnreadableImage
    if picture.format == "JPEG":  # an eighth of the size can be decoded without decoding all
        image.draft(mode, _reduced(image.width, image.height))
    image.load()
    if picture.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema()[1] == 0:
        image.putalpha(OPAQUE)  # written by a program that knows of no transparency
    if image.mode == "I;16B":
        image = image.convert("I")  # for Pillow does little with big-endian levels
    return image


def _is_dim_of_16_bits(image: Image.Image, png: bytes) -> bool:
    """Tell whether colours of 16 bits, of which Pillow keeps eight, use the lower ones only."""
    return image.mode == "RGB" and png[24] == 16 and max(most for _, most in image.getextrema()) < _DIM  # type: ignore[misc]


def _known_rows(picture: Still) -> Grey:
    """Return the rows of a JPEG without its end that do not depend on what is missing, if most are so."""
    ends = b"", b"\x55" * _TAIL
    one, other = (
        _assemble(_load(picture._replace(content=picture.content[:-2] + end + picture.content[-2:]), "L"))
        for end in ends
    )
    known = int(np.argmin([*(one == other).all(axis=1), False]))
    if known < _MOST_ROWS * len(one):
        raise UnreadableImage
    return one[:known]


def _reduced(width: int, height: int) -> tuple[int, int]:
    """Return the half, quarter or eighth of a size, all of which a JPEG can be decoded in, that leaves enough."""
    reduction = max((n for n in (1, 2, 4, 8) if max(width, height) >= n * ENOUGH), default=1)
    return max(1, width // reduction), max(1, height // reduction)


def _by_opencv(picture: Still, flags: int) -> Image.Image:
    content = np.frombuffer(picture.content, np.uint8)
    pixels = cv2.imdecode(content, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[:2] != (picture.height, picture.width):
        raise UnreadableImage
    if pixels.ndim == 3:
        code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        cv2.cvtColor(pixels, code, dst=pixels)
    return Image.fromarray(pixels)


def _assemble(image: Image.Image) -> Grey:
    """Return a picture's grey levels, reduced if it is large, converted band by band."""
    reduction = max(image.size) // ENOUGH
    look = look_at(image)
    if reduction <= 1:
        return as_pixels(grey_levels(image, look))
    rows = reduction * max(1, _BAND_PIXELS // (image.width * reduction))
    tops = range(0, image.height, rows)
    bands = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in tops)
    return np.concatenate([as_pixels(grey_levels(band, look).reduce(reduction)) for band in bands])


def _upright(pixels: Grey, orientation: int) -> Grey:
    """Undo the orientation, 1 to 8, with which a camera stored its picture (EXIF 2.32, tag 0x0112)."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels.T if orientation in (5, 6, 7, 8) else pixels)
