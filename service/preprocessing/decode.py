"""Uploaded bytes -> greyscale pixels, or a refusal that says what is wrong with them.

`formats` takes what the pixels need out of the file, and the size is checked, before anything is decoded. Whatever a
decoder raises over bytes that a stranger sent becomes one of the errors of this service.
"""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import (
    Image,
    ImageFilter,
    WebPImagePlugin,  # noqa: F401  it registers itself; Pillow would load all its plugins to find it
)

from service.errors import NoDigit, RequestError, TooLarge, UnreadableImage
from service.preprocessing.formats import DAMAGED, Still, still

Grey = npt.NDArray[np.uint8]

ENOUGH = 900  # pixels of the longer side that are kept of a large picture: a tenth of it still shows a digit's strokes

Image.preinit()  # the plugins of the formats: the first request need not wait for them
# `decode` has its own, smaller limit, and refuses instead of warning.
Image.MAX_IMAGE_PIXELS = None
# What Pillow warns about in a stranger's file (an invalid animation) is no concern of whoever runs this.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What it says of a stranger's file is none either.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_OPAQUE = 255
_LEAST_WEBP = 32  # bytes; OpenCV takes no smaller one
_TAIL, _MOST_ROWS = 4096, 0.9  # bytes that stand for a missing end; of the rows of a JPEG without it
PIXEL_BYTES = 4  # of the pictures by which `max_pixels` is meant
_LEAST_SIDE = 4  # pixels; a line of 1 x 30000 is no digit
_LARGE_BYTES = 8 << 20  # from here on pictures are decoded one at a time: more at once take memory and save no time
_BAND_PIXELS = 1 << 18  # as many are converted at a time, so that no copy of a large picture is made
_CONTRAST = 96  # visible pixels that differ by more than this hold paper as well as ink
_RIM_OF_STROKES = 0.3  # of what is visible; cut-out paper has a smaller share of its pixels at its edge
_PROBE_SIDE = 256  # a picture this large shows what lies at the edge of its transparency, and how its colours differ
_WHITES = 0xFF, 0x3FF, 0xFFF, 0x3FFF, 0xFFFF
_CLEAR = 160  # grey levels between the darkest and the lightest pixel: no need to look at the colours
_FAINT, _BOLDER = 48, 2.5  # a channel is taken for itself where the luma hides the ink and it shows that much more
_LIGHT_RADIUS = 16  # pixels of the probe; what changes more slowly is light

# The C library keeps what a thread has freed for that thread: decoded in each of eight, they would hold 8 x 50 MB.
_for_large_ones = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-pictures")


class _Look(NamedTuple):
    """What is decided once for a picture, and then done to each band of it."""

    background: int = _OPAQUE  # under transparent pixels
    channel: str | None = None  # of RGB; None is the luma (ITU-R BT.601)
    white: int = 0xFFFF  # of the levels of 16 bits


class _Layers(NamedTuple):
    """A picture before its transparency is composited; `alpha` is None where there is none."""

    luma: Image.Image
    alpha: Image.Image | None


def decode(content: bytes | Still, *, max_pixels: int) -> Grey:
    """Return the first frame of an encoded picture as grey levels, uint8 [height, width], 0 = black, upright.

    Reads PNG, JPEG, GIF, BMP, WebP, HEIC, AVIF and TIFF of every colour mode. 16 bits are scaled to 8; transparency is
    composited on the background on which the ink stays visible; where colour alone tells ink from paper, the channel
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
        raise UnreadableImage(DAMAGED) from error


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
        return _assemble(_webp(picture))
    if not picture.ended:
        return _known_rows(picture)
    image = _load(picture, "L")
    if picture.colours_spared and image.mode == "L" and _hides_ink(_probe(image)):
        image = _load(picture, None)
    return _assemble(image)


def _load(picture: Still, mode: str | None) -> Image.Image:
    """Decode by Pillow. `mode` "L" spares a JPEG its colours, None does not; other formats come as they are."""
    image: Image.Image = Image.open(BytesIO(picture.content), formats=(picture.format,))
    if image.size != (picture.width, picture.height):
        raise UnreadableImage(DAMAGED)
    if picture.reducible:
        image.draft(mode, _reduced(image.width, image.height))
    image.load()
    if picture.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema()[1] == 0:
        image.putalpha(_OPAQUE)  # written by a program that knows of no transparency
    if image.mode == "I;16B":
        image = image.convert("I")  # for Pillow does little with big-endian levels
    return image


def _known_rows(picture: Still) -> Grey:
    """Return the rows of a JPEG without its end that do not depend on what is missing, if most are so."""
    ends = b"", b"\x55" * _TAIL
    one, other = (
        _assemble(_load(picture._replace(content=picture.content[:-2] + end + picture.content[-2:]), "L"))
        for end in ends
    )
    known = int(np.argmin([*(one == other).all(axis=1), False]))
    if known < _MOST_ROWS * len(one):
        raise UnreadableImage(DAMAGED)
    return one[:known]


def _reduced(width: int, height: int) -> tuple[int, int]:
    """Return the half, quarter or eighth of a size, all of which a JPEG can be decoded in, that leaves enough."""
    reduction = max((n for n in (1, 2, 4, 8) if max(width, height) >= n * ENOUGH), default=1)
    return max(1, width // reduction), max(1, height // reduction)


def _webp(picture: Still) -> Image.Image:
    """Decode a WebP by OpenCV: Pillow's way over an animation takes three times the memory."""
    lean = _is_large(picture) and picture.pixel_bytes <= PIXEL_BYTES
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION if lean else cv2.IMREAD_UNCHANGED
    pixels = cv2.imdecode(np.frombuffer(picture.content, np.uint8), flags)
    if pixels is None or pixels.shape[:2] != (picture.height, picture.width):
        raise UnreadableImage(DAMAGED)
    if pixels.ndim == 3:
        code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        cv2.cvtColor(pixels, code, dst=pixels)
    return Image.fromarray(pixels)


def _assemble(image: Image.Image) -> Grey:
    """Return a picture's grey levels, reduced if it is large, converted band by band."""
    reduction = max(image.size) // ENOUGH
    look = _look(image)
    if reduction <= 1:
        return _pixels(_grey(image, look))
    rows = reduction * max(1, _BAND_PIXELS // (image.width * reduction))
    return np.concatenate([_pixels(_grey(band, look).reduce(reduction)) for band in _bands(image, rows)])


def _bands(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _grey(image: Image.Image, look: _Look) -> Image.Image:
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if look.channel:
        return image.convert("RGB").getchannel(look.channel)
    luma, alpha = _layers(image, look.white)
    if alpha is None or alpha.getextrema()[0] == _OPAQUE:
        return luma
    return Image.composite(luma, Image.new("L", luma.size, look.background), alpha)


def _layers(image: Image.Image, white: int = 0xFFFF) -> _Layers:
    if image.mode.startswith("I"):
        return _layers_of_16_bits(image, white)
    if image.has_transparency_data:
        image = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
        return _Layers(image.convert("L"), image.getchannel("A"))
    if image.mode in ("L", "1", "P", "RGB", "YCbCr"):
        return _Layers(image.convert("L"), None)
    return _Layers(image.convert("RGB").convert("L"), None)


def _layers_of_16_bits(image: Image.Image, white: int) -> _Layers:
    """Scale grey levels of 16 bits; Pillow's own conversion would clip them at 255."""
    levels = np.asarray(image).astype(np.uint32)
    luma = Image.fromarray(((levels * 510 + white) // (2 * white)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return _Layers(luma, None)
    return _Layers(luma, Image.fromarray(np.where(levels == transparent, 0, _OPAQUE).astype(np.uint8)))


def _look(image: Image.Image) -> _Look:
    """Decide on the background of a picture with transparency, and on the channel of one without."""
    if image.mode == "L" and not image.info:
        return _Look()
    white = _white(image) if image.mode.startswith("I") else 0xFFFF
    if image.has_transparency_data:
        return _Look(background=_background(*_layers(_probe(image), white)), white=white)
    if image.mode.startswith("I"):
        return _Look(white=white)
    if image.mode in ("RGB", "P", "CMYK", "YCbCr"):
        return _Look(channel=_telling_channel(_probe(image)))
    return _Look()


def _white(image: Image.Image) -> int:
    """Return the greatest level of the 8, 10, 12, 14 or 16 bits that are used: cameras and programs leave some out."""
    return next(white for white in _WHITES if int(image.getextrema()[1]) <= white)  # type: ignore[arg-type]


def _probe(image: Image.Image) -> Image.Image:
    factor = -(-max(image.size) // _PROBE_SIDE)
    if factor == 1:
        return image
    return image.resize((-(-image.width // factor), -(-image.height // factor)), Image.Resampling.NEAREST)


def _background(luma: Image.Image, alpha: Image.Image | None) -> int:
    """Return black or white: that on which the visible part of the picture still shows its ink.

    A picture of ink alone goes on the opposite of the ink. One that holds its paper too (a sticker, a cut-out
    photograph) goes on what is like its own edge, so that no outline of the paper appears.
    """
    levels, opacity = np.asarray(luma), np.asarray(alpha)
    visible = opacity >= _OPAQUE // 2
    if not visible.any():
        visible = opacity > 0
    shown = levels[visible]
    if shown.size == 0:
        return _OPAQUE
    rim = visible & _beside(~visible)
    edge = np.median(levels[rim]) if rim.any() else np.median(shown)
    if _is_ink_alone(shown, levels[visible & ~rim], edge):
        return 0 if shown.mean() > 127 else _OPAQUE
    return _OPAQUE if edge > 127 else 0


def _is_ink_alone(shown: Grey, inner: Grey, edge: np.floating) -> bool:
    """Tell strokes, of one shade or with a pen's changing pressure, from paper with strokes on it."""
    if int(shown.max()) - int(shown.min()) <= _CONTRAST:
        return True
    strokes = shown.size - inner.size >= _RIM_OF_STROKES * shown.size
    return strokes and (inner.size == 0 or abs(float(np.median(inner)) - float(edge)) <= _CONTRAST)


def _beside(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which pixels have a neighbour, above, below, left or right, in `mask`, bool [height, width]."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _telling_channel(image: Image.Image) -> str | None:
    """Return the channel of RGB in which ink shows that the luma hides (yellow on white), None where the luma does."""
    luma = _layers(image).luma
    if not _hides_ink(luma):
        return None
    found = {name: _contrast(channel) for name, channel in zip("RGB", image.convert("RGB").split(), strict=True)}
    boldest = max(found, key=lambda name: found[name])
    return boldest if found[boldest] >= max(_FAINT, _BOLDER * _contrast(luma)) else None


def _hides_ink(luma: Image.Image) -> bool:
    levels = _pixels(luma)
    return int(levels.max()) - int(levels.min()) < _CLEAR and _contrast(luma) < _FAINT


def _contrast(channel: Image.Image) -> float:
    """Return by how many levels the boldest strokes stand out from what surrounds them."""
    smooth = channel.filter(ImageFilter.MedianFilter(3))
    light = np.asarray(smooth.filter(ImageFilter.BoxBlur(_LIGHT_RADIUS)), np.int16)
    return float(np.percentile(np.abs(np.asarray(smooth, np.int16) - light), 99.5))


def _pixels(image: Image.Image) -> Grey:
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width)


def _upright(pixels: Grey, orientation: int) -> Grey:
    """Undo the orientation, 1 to 8, with which a camera stored its picture (EXIF 2.32, tag 0x0112)."""
    turned = {
        2: lambda: pixels[:, ::-1],
        3: lambda: pixels[::-1, ::-1],
        4: lambda: pixels[::-1],
        5: lambda: pixels.T,
        6: lambda: pixels[::-1].T,
        7: lambda: pixels[::-1, ::-1].T,
        8: lambda: pixels[:, ::-1].T,
    }.get(orientation)
    return pixels if turned is None else np.ascontiguousarray(turned())
