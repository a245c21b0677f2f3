"""Uploaded bytes -> greyscale pixels, or a refusal that says what is wrong with them.

The format is told from the bytes alone, the size is checked before anything is decoded, and whatever Pillow raises
over bytes that a stranger sent becomes one of the errors of this service.
"""

import warnings
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import (
    ExifTags,
    Image,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401  it registers itself; Pillow would load all its plugins to find it
)

from service.errors import RequestError, TooLarge, UnreadableImage, UnsupportedImage

Grey = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")

Image.preinit()  # the plugins of the other formats: the first request need not wait for them
# `decode` has its own, smaller limit, and refuses instead of warning.
Image.MAX_IMAGE_PIXELS = None
# Text that is never read may not unpack to more than this, whatever number of chunks it comes in.
PngImagePlugin.MAX_TEXT_MEMORY = 4 << 20
# What Pillow warns about in a stranger's file (odd EXIF, an invalid animation) is no concern of whoever runs this.
warnings.filterwarnings("ignore", module=r"PIL\.")

_OPAQUE = 255
_CONTRAST = 96  # visible pixels that differ by more than this hold paper as well as ink
_PROBE_SIDE = 256  # a picture this large shows what lies at the edge of its transparency


class _Layers(NamedTuple):
    """A picture before its transparency is composited; `alpha` is None where there is none."""

    luma: Image.Image
    alpha: Image.Image | None


def decode(content: bytes, *, max_pixels: int) -> Grey:
    """Return the first frame of an encoded picture as grey levels, uint8 [height, width], 0 = black, upright.

    Reads PNG, JPEG, GIF, BMP and WebP of every colour mode. 16 bits are scaled to 8; transparency is composited on
    the background on which the ink stays visible; the EXIF orientation is applied.

    Raises:
        UnsupportedImage: the bytes are in none of the formats.
        UnreadableImage: the format is one of them, and the picture is damaged, truncated or has no pixels.
        TooLarge: its width times its height is more than `max_pixels`; nothing was decoded.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(*image.size, max_pixels)
            image.load()
            return _upright(_pixels(_composite(_layers(image))), _orientation(image))
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(content) from error
    # A damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error, EOFError, MemoryError and more.
    except Exception as error:
        raise UnreadableImage("The picture is damaged or truncated: send the whole file again.") from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooLarge(
            f"The picture has {width} x {height} pixels, allowed are {max_pixels} in all: send a smaller one."
        )


def _unidentified(content: bytes) -> RequestError:
    """Tell a file of one of the formats, with a damaged head or of no size, from anything else."""
    riff = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    bitmap = content[:2] == b"BM" and content[6:10] == bytes(4)
    if riff or bitmap or content.startswith(_SIGNATURES):
        return UnreadableImage("The picture is damaged or truncated: send the whole file again.")
    return UnsupportedImage("The bytes are no picture that is read here: send PNG, JPEG, GIF, BMP or WebP.")


def _layers(image: Image.Image) -> _Layers:
    if image.mode.startswith("I"):
        return _layers_of_16_bits(image)
    if image.has_transparency_data:
        luma, alpha = image.convert("RGBA").convert("LA").split()
        return _Layers(luma, alpha)
    if image.mode in ("L", "1", "P", "RGB", "YCbCr"):
        return _Layers(image.convert("L"), None)
    return _Layers(image.convert("RGB").convert("L"), None)


def _layers_of_16_bits(image: Image.Image) -> _Layers:
    """Scale grey levels of 16 bits; Pillow's own conversion would clip them at 255."""
    levels = np.clip(np.asarray(image).astype(np.int64), 0, 0xFFFF)
    luma = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return _Layers(luma, None)
    return _Layers(luma, Image.fromarray(np.where(levels == transparent, 0, _OPAQUE).astype(np.uint8)))


def _composite(layers: _Layers) -> Image.Image:
    luma, alpha = layers
    if alpha is None or alpha.getextrema()[0] == _OPAQUE:
        return luma
    return Image.composite(luma, Image.new("L", luma.size, _background(luma, alpha)), alpha)


def _background(luma: Image.Image, alpha: Image.Image) -> int:
    """Return black or white: that on which the visible part of the picture still shows its ink.

    A picture of ink alone goes on the opposite of the ink. One that holds its paper too (a sticker, a cut-out
    photograph) goes on what is like its own edge, so that no outline of the paper appears.
    """
    levels, opacity = (np.asarray(_probe(layer)) for layer in (luma, alpha))
    visible = opacity >= _OPAQUE // 2
    if not visible.any():
        visible = opacity > 0
    shown = levels[visible]
    if shown.size == 0:
        return _OPAQUE
    if int(shown.max()) - int(shown.min()) <= _CONTRAST:
        return 0 if shown.mean() > 127 else 255
    rim = visible & _beside(~visible)
    edge = levels[rim] if rim.any() else shown
    return 255 if np.median(edge) > 127 else 0


def _probe(layer: Image.Image) -> Image.Image:
    factor = -(-max(layer.size) // _PROBE_SIDE)
    if factor == 1:
        return layer
    return layer.resize((-(-layer.width // factor), -(-layer.height // factor)), Image.Resampling.NEAREST)


def _beside(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which pixels have a neighbour, above, below, left or right, in `mask`, bool [height, width]."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _pixels(image: Image.Image) -> Grey:
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none or it is damaged: the pixels are good all the same."""
    if not image.info:
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


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
