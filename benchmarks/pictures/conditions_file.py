"""Conditions of the file: size of the picture and of the digit, format, mode; drawings on a canvas."""

from dataclasses import replace
from typing import Any

from benchmarks.pictures import files
from benchmarks.pictures.cells import BASE, Cell, Strengths, condition
from benchmarks.pictures.look import Look
from benchmarks.pictures.scene import BLACK, WHITE
from service.contract import IMAGE_SIDE

_STARK = replace(BASE, paper=(WHITE,), ink=(BLACK,), vary=0, noise=0)
_MNIST = Look(
    side=(IMAGE_SIDE, IMAGE_SIDE),
    aspect=(1, 1),
    height=(20 / 28, 20 / 28),
    margin=4 / 28,
    pen=None,
    paper=(BLACK,),
    ink=(WHITE,),
    vary=0,
    noise=0,
)


def cells() -> list[Cell]:
    """Return the cells of size, file and canvas."""
    return [*_plain(), *_sizes(), *_large_sizes(), *_files(), *_transparent(), *_formats(), *_canvases()]


def _plain() -> list[Cell]:
    as_it_is = condition("plain", {"as in MNIST": {}}, base=_MNIST)
    return [*as_it_is, *condition("plain", {"MNIST's stroke": {"pen": None}, "pen": {}})]


def _sizes() -> list[Cell]:
    shares = (1.0, 0.95, 0.7, 0.4, 0.2, 0.1, 0.05)
    in_frame = {f"{share:.0%}": {"height": (share, share), "margin": 0.0} for share in shares}
    small = replace(BASE, aspect=(1, 1), height=(0.7, 0.95), margin=0.02, pen=None)
    sides = {f"{side} x {side}": {"side": (side, side)} for side in (8, 12, 16, 20, 28, 40, 64, 128)}
    return [
        *condition("digit in frame", in_frame, base=replace(BASE, side=(320, 480)), shown=("5%",)),
        *condition("size", sides, base=small, shown=("8 x 8",)),
    ]


def _large_sizes() -> list[Cell]:
    large = replace(BASE, aspect=(4 / 3, 4 / 3), height=(0.2, 0.7), encode=files.jpeg(85))
    sides: Strengths = {
        "1024 x 768": {"side": (1024, 1024)},
        "1024 x 768, thin pen": {"side": (1024, 1024), "pen": (0.015, 0.03)},
    }
    huge = {"4000 x 3000": {"side": (4000, 4000), "pen": (0.02, 0.08)}}
    return [*condition("size", sides, base=large, share=0.25), *condition("size", huge, base=large, share=1 / 3)]


def _files() -> list[Cell]:
    orientations = {f"{n}": {"encode": files.turned(n, "PNG" if n == 5 else "JPEG")} for n in range(1, 9)}
    modes = {mode: {"encode": files.png(mode)} for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
    modes["CMYK"] = {"encode": files.jpeg(85, mode="CMYK")}
    return [*condition("EXIF orientation", orientations, share=0.5), *condition("mode", modes, share=0.5)]


def _transparent() -> list[Cell]:
    inks = {
        "black ink": files.ink_on_transparent((0, 0, 0)),
        "white ink": files.ink_on_transparent((255, 255, 255)),
        "blue ink": files.ink_on_transparent((30, 40, 150)),
        "black ink, LA": files.ink_on_transparent((0, 0, 0), "LA"),
        "white ink, LA": files.ink_on_transparent((255, 255, 255), "LA"),
    }
    strengths = {name: {"encode": encode} for name, encode in inks.items()}
    return condition("transparent", strengths, base=_STARK, share=0.5)


def _formats() -> list[Cell]:
    encoders = {
        "PNG": files.png(),
        "interlaced PNG": files.interlaced_png,
        "JPEG": files.jpeg(85),
        "progressive JPEG": files.jpeg(85, progressive=True),
        "GIF": files.plain("GIF"),
        "animated GIF": files.animated("GIF"),
        "BMP": files.plain("BMP"),
        "WebP": files.plain("WEBP", quality=70, method=0),
        "lossless WebP": files.plain("WEBP", lossless=True, quality=0, method=0),
        "animated WebP": files.animated("WEBP", quality=70, method=0),
    }
    return condition("format", {name: {"encode": encode} for name, encode in encoders.items()}, share=0.5)


def _canvases() -> list[Cell]:
    canvas = replace(_STARK, side=(400, 400), aspect=(1, 1), height=(0.3, 0.85), margin=0.02)
    small: dict[str, Any] = {"side": (280, 280), "pen": (0.06, 0.16)}
    strengths: Strengths = {
        "280, white on black": {**small, "paper": (BLACK,), "ink": (WHITE,)},
        "280, black on white": {**small, "encode": files.png("RGBA")},
        "400, thin brush": {"pen": (0.012, 0.03)},
        "400, thick brush": {"pen": (0.1, 0.18)},
        "400, transparent": {"encode": files.ink_on_transparent((0, 0, 0))},
    }
    return condition("canvas", strengths, base=canvas)
