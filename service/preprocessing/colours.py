"""Colours and transparency -> grey levels in which the ink stays visible."""

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageFilter

from service.preprocessing.illumination import Grey

OPAQUE = 255
_CONTRAST = 96  # visible pixels that differ by more than this hold paper as well as ink
_RIM_OF_STROKES = 0.3  # of what is visible; cut-out paper has a smaller share of its pixels at its edge
_PROBE_SIDE = 256  # a picture this large shows what lies at the edge of its transparency, and how its colours differ
_WHITES = 0xFF, 0x3FF, 0xFFF, 0x3FFF, 0xFFFF
_CLEAR = 160  # grey levels between the darkest and the lightest pixel: no need to look at the colours
_FAINT = 48  # grey levels: a mixture is taken where the luma shows less, and it shows as much
_LIGHT_RADIUS = 16  # pixels of the probe; what changes more slowly is light

Mixture = tuple[int, int, int, int]  # of red, green, blue, and levels added
_MIXTURES: tuple[Mixture, ...] = (1, -1, 0, 128), (1, 0, -1, 128), (0, 1, -1, 128)
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class Look(NamedTuple):
    """What is decided once for a picture, and then done to each band of it."""

    background: int = OPAQUE  # under transparent pixels
    mixture: Mixture | None = None  # None is the luma (ITU-R BT.601)
    white: int = 0xFFFF  # of the levels of 16 bits


class _Layers(NamedTuple):
    """A picture before its transparency is composited; `alpha` is None where there is none."""

    luma: Image.Image
    alpha: Image.Image | None


def grey_levels(image: Image.Image, look: Look) -> Image.Image:
    """Return a picture, or a band of it, in grey levels, composited on the background that the look says."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if look.mixture:
        return image.convert("RGB").convert("L", look.mixture)
    luma, alpha = _layers(image, look.white)
    if alpha is None or alpha.getextrema()[0] == OPAQUE:
        return luma
    return Image.composite(luma, Image.new("L", luma.size, look.background), alpha)


def _layers(image: Image.Image, white: int = 0xFFFF) -> _Layers:
    if image.mode.startswith("I"):
        return _layers_of_16_bits(image, white)
    if image.has_transparency_data:
        image = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
        return _Layers(image.convert("L"), image.getchannel("A"))
    image = image if image.mode in ("L", "1", "P", "RGB", "YCbCr") else image.convert("RGB")
    return _Layers(image.convert("L"), None)


def _layers_of_16_bits(image: Image.Image, white: int) -> _Layers:
    """Scale grey levels of 16 bits; Pillow's own conversion would clip them at 255."""
    levels = np.asarray(image).astype(np.uint32)
    luma = Image.fromarray(((levels * 510 + white) // (2 * white)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return _Layers(luma, None)
    return _Layers(luma, Image.fromarray(np.where(levels == transparent, 0, OPAQUE).astype(np.uint8)))


def look_at(image: Image.Image) -> Look:
    """Decide on the background of a picture with transparency, and on the mixture of colours of one without."""
    if image.mode == "L" and not image.info:
        return Look()
    # Of 16 bits 8, 10, 12, 14 or all are used: cameras and programs leave some out.
    most = int(image.getextrema()[1]) if image.mode.startswith("I") else 0xFFFF  # type: ignore[arg-type]
    white = next(white for white in _WHITES if most <= white)
    if image.has_transparency_data:
        return Look(background=_background(*_layers(probe(image), white)), white=white)
    if image.mode in ("RGB", "P", "CMYK", "YCbCr"):
        return Look(mixture=_telling_mixture(probe(image)))
    return Look(white=white)


def probe(image: Image.Image) -> Image.Image:
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
    visible = opacity >= OPAQUE // 2
    if not visible.any():
        visible = opacity > 0
    shown = levels[visible]
    if shown.size == 0:
        return OPAQUE
    inside = cv2.erode(visible.view(np.uint8), _CROSS) > 0
    rim = levels[visible & ~inside]
    edge = np.median(rim if rim.size else shown)
    if _is_ink_alone(shown, levels[inside], edge):
        return 0 if shown.mean() > 127 else OPAQUE
    return OPAQUE if edge > 127 else 0


def _is_ink_alone(shown: Grey, inner: Grey, edge: np.floating) -> bool:
    """Tell strokes, of one shade or with a pen's changing pressure, from paper with strokes on it."""
    if np.ptp(shown) <= _CONTRAST:
        return True
    strokes = shown.size - inner.size >= _RIM_OF_STROKES * shown.size
    return strokes and (inner.size == 0 or abs(float(np.median(inner)) - float(edge)) <= _CONTRAST)


def _telling_mixture(image: Image.Image) -> Mixture | None:
    """Return the difference of two channels in which ink shows that the luma hides; None where the luma does."""
    luma = _layers(image).luma
    if not hides_ink(luma):
        return None
    colours = image.convert("RGB")
    found = {mixture: _contrast(colours.convert("L", mixture)) for mixture in _MIXTURES}
    boldest = max(found, key=lambda mixture: found[mixture])
    return boldest if found[boldest] >= _FAINT else None


def hides_ink(luma: Image.Image) -> bool:
    levels = as_pixels(luma)
    return int(levels.max()) - int(levels.min()) < _CLEAR and _contrast(luma) < _FAINT


def _contrast(channel: Image.Image) -> float:
    """Return by how many levels the boldest strokes stand out from what surrounds them."""
    smooth = channel.filter(ImageFilter.MedianFilter(3))
    light = np.asarray(smooth.filter(ImageFilter.BoxBlur(_LIGHT_RADIUS)), np.int16)
    return float(np.percentile(np.abs(np.asarray(smooth, np.int16) - light), 99.5))


def as_pixels(image: Image.Image) -> Grey:
    """Return the levels of a picture of mode L."""
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width)
