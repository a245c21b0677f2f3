"""What is rendered: the conditions under which people send digits, each at several strengths.

A strength counts if a person reads such a picture without effort; the others are shown, and not held to the mark.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.contract import IMAGE_SIDE
from tests.benchmarks.robustness import camera, files, scene
from tests.benchmarks.robustness.look import Look
from tests.benchmarks.robustness.scene import BLACK, WHITE, Colour, grey

LIGHT_BLUE, BLUE_INK, RED_INK, GREEN_INK = (0.68, 0.82, 0.95), (0.12, 0.18, 0.55), (0.75, 0.12, 0.15), (0.1, 0.42, 0.2)
CREAM, YELLOW, PINK, SKY = (0.96, 0.93, 0.84), (0.98, 0.92, 0.5), (0.97, 0.78, 0.82), (0.75, 0.87, 0.97)
KRAFT, WOOD, BOARD, SLATE = (0.72, 0.58, 0.42), (0.4, 0.27, 0.17), (0.13, 0.27, 0.2), (0.2, 0.22, 0.25)


@dataclass(frozen=True)
class Cell:
    """A condition at one strength. `share` is that of the digits asked for which it gets: large pictures take long."""

    condition: str
    strength: str
    look: Look
    counted: bool
    share: float

    @property
    def name(self) -> str:
        return f"{self.condition}/{self.strength}"


def cells() -> tuple[Cell, ...]:
    """Return the benchmark."""
    return tuple(cell for group in _GROUPS for cell in group())


def _condition(
    name: str,
    base: Look,
    strengths: Mapping[str, Mapping[str, Any]],
    *,
    shown: tuple[str, ...] = (),
    share: float = 1.0,
) -> list[Cell]:
    """Return the cells of a condition; `strengths` says how each differs from `base`, `shown` which do not count."""
    return [
        Cell(name, strength, replace(base, **changes), strength not in shown, share * (0.5 if strength in shown else 1))
        for strength, changes in strengths.items()
    ]


_BASE = Look()


def _plain() -> list[Cell]:
    return _condition(
        "plain",
        _BASE,
        {
            "MNIST as PNG": {
                "side": (IMAGE_SIDE, IMAGE_SIDE),
                "aspect": (1, 1),
                "height": (20 / 28, 20 / 28),
                "pen": None,
                "paper": (BLACK,),
                "ink": (WHITE,),
                "vary": 0,
                "noise": 0,
                "margin": 0.14,
            },
            "MNIST's stroke": {"pen": None},
            "pen": {},
        },
    )


def _papers() -> list[Cell]:
    return [
        *_condition(
            "paper colour",
            _BASE,
            {
                "white": {"paper": (WHITE,), "vary": 0},
                "cream": {"paper": (CREAM,)},
                "coloured": {"paper": (YELLOW, PINK, SKY)},
                "grey": {"paper": (grey(0.62),)},
                "kraft": {"paper": (KRAFT,), "under": (scene.texture(0.04), scene.fibres(150, 0.12))},
            },
        ),
        *_condition(
            "paper texture",
            _BASE,
            {
                "fine": {"under": (scene.texture(0.015),)},
                "rough": {"under": (scene.texture(0.04, 1.5),)},
                "recycled": {"under": (scene.texture(0.03), scene.fibres(200, 0.2))},
                "coarse": {"under": (scene.texture(0.08, 2.0),)},
                "very coarse": {"under": (scene.texture(0.15, 2.5),)},
            },
            shown=("very coarse",),
        ),
        *_condition(
            "crease",
            _BASE,
            {
                "slight": {"under": (scene.crease(0.06),)},
                "folded": {"under": (scene.crease(0.15, 2),)},
                "crumpled": {"under": (scene.crease(0.12, 8),)},
                "sharp": {"under": (scene.crease(0.4, 2),)},
            },
            shown=("sharp",),
        ),
        *_condition(
            "dust",
            _BASE,
            {f"{count} specks": {"over": (scene.specks(count, (0.01, 0.035)),)} for count in (5, 20, 60)}
            | {"20 large": {"over": (scene.specks(20, (0.05, 0.1)),)}},
            shown=("20 large",),
        ),
        *_condition(
            "bleed-through",
            _BASE,
            {
                "faint": {"under": (scene.bleed_through(0.06),)},
                "visible": {"under": (scene.bleed_through(0.15),)},
                "strong": {"under": (scene.bleed_through(0.3),)},
            },
            shown=("strong",),
        ),
    ]


def _inks() -> list[Cell]:
    return [
        *_condition(
            "ink colour",
            _BASE,
            {
                "blue": {"ink": (BLUE_INK,)},
                "red": {"ink": (RED_INK,)},
                "green": {"ink": (GREEN_INK,)},
                "light": {"ink": ((0.45, 0.6, 0.85), (0.95, 0.55, 0.4), (0.6, 0.75, 0.45))},
                "yellow on white": {"ink": ((0.97, 0.88, 0.3),), "paper": (WHITE,), "vary": 0.02},
            },
            shown=("yellow on white",),
        ),
        *_condition(
            "polarity",
            _BASE,
            {
                "dark on light": {},
                "light on dark": {"paper": (grey(0.1),), "ink": (grey(0.9),)},
                "chalk on a board": {
                    "paper": (BOARD, SLATE),
                    "ink": (grey(0.85),),
                    "grain": 0.5,
                    "under": (scene.texture(0.1, 3.0),),
                },
                "dark on mid-grey": {"paper": (grey(0.5),), "ink": (grey(0.15),)},
                "light on mid-grey": {"paper": (grey(0.5),), "ink": (grey(0.9),)},
            },
        ),
        *_condition(
            "pencil",
            replace(_BASE, paper=(grey(0.93), CREAM), under=(scene.texture(0.012),), noise=2.0),
            {
                "soft": {"ink": (grey(0.35),), "grain": 0.5, "pen": (0.05, 0.08)},
                "hard": {"ink": (grey(0.5),), "grain": 0.5, "pen": (0.035, 0.05)},
                "faint": {"ink": (grey(0.66),), "grain": 0.6, "pen": (0.03, 0.045)},
                "hardly there": {"ink": (grey(0.8),), "grain": 0.7, "pen": (0.025, 0.035)},
            },
            shown=("hardly there",),
        ),
        *_condition(
            "pen width",
            replace(_BASE, side=(240, 360), height=(0.55, 0.75)),
            {f"1/{n}": {"pen": (1 / n, 1 / n)} for n in (40, 28, 20, 14, 10, 8, 6, 5, 4)},
            shown=("1/4",),
        ),
        *_condition("slant", _BASE, {f"{n} degrees": {"slant": (n, n)} for n in (10, 20, 30)}, shown=("30 degrees",)),
        *_condition("turn", _BASE, {f"{n} degrees": {"turn": (n, n)} for n in (8, 15, 25)}, shown=("25 degrees",)),
    ]


def _lights() -> list[Cell]:
    def steps(make: Callable[[float], scene.Step], *depths: float) -> dict[str, dict[str, Any]]:
        return {f"{depth:.0%}": {"over": (make(depth),)} for depth in depths}

    return [
        *_condition("gradient", _BASE, steps(scene.gradient, 0.3, 0.5, 0.7, 0.9), shown=("90%",)),
        *_condition("vignette", _BASE, steps(scene.vignette, 0.3, 0.5, 0.7, 0.9), shown=("90%",)),
        *_condition("straight shadow", _BASE, steps(scene.shadow, 0.25, 0.45, 0.6, 0.8), shown=("80%",)),
        *_condition(
            "curved shadow",
            _BASE,
            steps(lambda depth: scene.shadow(depth, curved=True), 0.25, 0.45, 0.6, 0.8),
            shown=("80%",),
        ),
        *_condition(
            "whiteboard glare",
            replace(_BASE, ink=(grey(0.1), BLUE_INK, RED_INK), pen=(0.07, 0.14)),
            {
                "slight": {"over": (scene.gradient(0.3), scene.glare(0.5))},
                "strong": {"over": (scene.gradient(0.5), scene.glare(0.75))},
            },
        ),
    ]


def _lines() -> list[Cell]:
    tones: dict[str, Colour] = {
        "light blue": LIGHT_BLUE,
        "light grey": grey(0.8),
        "mid-blue": (0.5, 0.65, 0.85),
        "dark grey": grey(0.5),
        "as dark as the ink": grey(0.15),
    }
    darkest = ("as dark as the ink",)
    return [
        *_condition(
            "squared paper",
            _BASE,
            {name: {"under": (scene.ruled(tone, squares=True, pitch=(0.35, 1.1)),)} for name, tone in tones.items()},
            shown=darkest,
        ),
        *_condition(
            "ruled paper",
            _BASE,
            {name: {"under": (scene.ruled(tone, margin=name == "light blue"),)} for name, tone in tones.items()},
            shown=darkest,
        ),
        *_condition(
            "form box",
            _BASE,
            {
                "light": {"under": (scene.form_box(grey(0.75), (0.12, 0.3)),)},
                "dark": {"under": (scene.form_box(grey(0.2), (0.12, 0.3)),)},
                "red": {"under": (scene.form_box((0.9, 0.5, 0.45), (0.1, 0.3)),)},
                "touching": {"under": (scene.form_box(grey(0.3), (-0.06, 0.06)),)},
            },
            shown=("touching",),
        ),
    ]


def _frames() -> list[Cell]:
    base = replace(_BASE, height=(0.35, 0.5), margin=0.22)
    return [
        *_condition(
            "dark frame",
            base,
            {
                "thin": {"over": (scene.frame(grey(0.08), (0.005, 0.02)),)},
                "thick": {"over": (scene.frame(grey(0.08), (0.06, 0.15)),)},
                "letterbox": {"over": (scene.frame(BLACK, (0.1, 0.18), "tb"),)},
                "pillars": {"over": (scene.frame(BLACK, (0.1, 0.18), "lr"),)},
                "scanner's edge": {"over": (scene.frame(grey(0.15), (0.02, 0.1), "lb"),)},
                "light, round dark": {
                    "paper": (grey(0.12),),
                    "ink": (grey(0.9),),
                    "over": (scene.frame(WHITE, (0.05, 0.12)),),
                },
            },
        ),
        *_condition(
            "table",
            base,
            {
                "wood": {"over": (scene.table(WOOD, (0.04, 0.15)),)},
                "dark": {"over": (scene.table(grey(0.12), (0.04, 0.15)),)},
                "light": {"over": (scene.table(grey(0.6), (0.04, 0.15)),)},
                "corner": {"over": (scene.table(WOOD, (0.05, 0.18), corners=2),)},
            },
        ),
    ]


def _cameras() -> list[Cell]:
    return [
        *_condition(
            "blur",
            _BASE,
            {f"{size:.1%}": {"over": (camera.blur((size, size)),)} for size in (0.01, 0.02, 0.035, 0.05, 0.08)},
            shown=("8.0%",),
        ),
        *_condition(
            "shaken",
            _BASE,
            {f"{size:.0%}": {"over": (camera.shaken((size, size)),)} for size in (0.05, 0.1, 0.2)},
            shown=("20%",),
        ),
        *_condition(
            "noise", _BASE, {f"{levels} levels": {"noise": levels} for levels in (5, 12, 25, 50)}, shown=("50 levels",)
        ),
        *_condition(
            "JPEG",
            replace(_BASE, noise=2.0),
            {f"quality {q}": {"encode": files.jpeg(q)} for q in (90, 70, 50, 30, 10)},
            shown=("quality 10",),
        ),
        *_condition(
            "contrast",
            replace(_BASE, paper=(WHITE,), ink=(BLACK,), vary=0, noise=0),
            {f"{n} levels": {"over": (camera.faint(n),)} for n in (160, 80, 40, 20, 10)},
            shown=("10 levels",),
        ),
        *_condition(
            "sharpened",
            _BASE,
            {
                "1": {"over": (camera.blur((0.01, 0.02)), camera.sharpened(1.0))},
                "3": {"over": (camera.blur((0.01, 0.02)), camera.sharpened(3.0))},
            },
        ),
    ]


def _sizes() -> list[Cell]:
    small = {"aspect": (1, 1), "height": (0.7, 0.95), "margin": 0.02, "pen": None}
    return [
        *_condition(
            "digit in frame",
            replace(_BASE, side=(320, 480), margin=0.02),
            {f"{share:.0%}": {"height": (share * 0.95, share)} for share in (0.95, 0.7, 0.4, 0.2, 0.1, 0.05)},
            shown=("5%",),
        ),
        *_condition(
            "size",
            _BASE,
            {f"{side} x {side}": {"side": (side, side), **small} for side in (8, 12, 16, 20, 28, 40, 64, 128)},
            shown=("8 x 8",),
        ),
        *_condition(
            "size",
            replace(_BASE, side=(1024, 1024), encode=files.jpeg(85)),
            {"1024 x 768": {"aspect": (4 / 3, 4 / 3)}},
            share=0.25,
        ),
        *_condition(
            "size",
            replace(_BASE, side=(4000, 4000), encode=files.jpeg(85)),
            {"4000 x 3000": {"aspect": (4 / 3, 4 / 3), "height": (0.2, 0.6), "pen": (0.025, 0.1)}},
            share=0.03,
        ),
    ]


def _files() -> list[Cell]:
    pure = replace(_BASE, paper=(WHITE,), ink=(BLACK,), vary=0, noise=0)
    return [
        *_condition(
            "EXIF orientation",
            _BASE,
            {f"{n}": {"encode": files.turned(n, "PNG" if n == 5 else "JPEG")} for n in range(1, 9)},
            share=0.5,
        ),
        *_condition(
            "mode",
            _BASE,
            {mode: {"encode": files.png(mode)} for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
            | {"CMYK": {"encode": files.jpeg(85, mode="CMYK")}},
            share=0.5,
        ),
        *_condition(
            "transparent",
            pure,
            {
                "black ink": {"encode": files.ink_on_transparent((0, 0, 0))},
                "white ink": {"encode": files.ink_on_transparent((255, 255, 255))},
                "blue ink": {"encode": files.ink_on_transparent((30, 40, 150))},
                "black ink, LA": {"encode": files.ink_on_transparent((0, 0, 0), "LA")},
                "white ink, LA": {"encode": files.ink_on_transparent((255, 255, 255), "LA")},
            },
            share=0.5,
        ),
        *_condition(
            "format",
            _BASE,
            {
                "PNG": {},
                "interlaced PNG": {"encode": files.interlaced_png},
                "JPEG": {"encode": files.jpeg(85)},
                "progressive JPEG": {"encode": files.jpeg(85, progressive=True)},
                "GIF": {"encode": files.plain("GIF")},
                "BMP": {"encode": files.plain("BMP")},
                "WebP": {"encode": files.plain("WEBP", quality=70, method=0)},
                "lossless WebP": {"encode": files.plain("WEBP", lossless=True, quality=0, method=0)},
            },
            share=0.5,
        ),
    ]


def _canvases() -> list[Cell]:
    base = replace(_BASE, aspect=(1, 1), paper=(WHITE,), ink=(BLACK,), vary=0, noise=0, height=(0.3, 0.85), margin=0.02)
    return _condition(
        "canvas",
        base,
        {
            "280, white on black": {"side": (280, 280), "pen": (0.06, 0.16), "paper": (BLACK,), "ink": (WHITE,)},
            "280, black on white": {"side": (280, 280), "pen": (0.06, 0.16), "encode": files.png("RGBA")},
            "400, thin brush": {"side": (400, 400), "pen": (0.012, 0.03)},
            "400, thick brush": {"side": (400, 400), "pen": (0.1, 0.18)},
            "transparent": {"side": (400, 400), "encode": files.ink_on_transparent((0, 0, 0))},
        },
    )


def _photos() -> list[Cell]:
    strengths: dict[str, tuple[scene.Step, ...]] = {
        "mild": (
            camera.tilted(4, 0.03),
            scene.gradient(0.2),
            camera.blur((0.005, 0.012)),
            camera.sharpened(0.6),
            camera.noisy(2, 0.6),
        ),
        "middling": (
            camera.tilted(8, 0.06),
            scene.gradient(0.35),
            scene.shadow(0.3, curved=True, soft=(0.02, 0.08)),
            camera.blur((0.008, 0.02)),
            camera.sharpened(0.8),
            camera.noisy(5, 0.6),
        ),
        "bad": (
            camera.tilted(14, 0.1),
            scene.gradient(0.45),
            scene.shadow(0.4, soft=(0.01, 0.05)),
            scene.vignette(0.3),
            camera.blur((0.015, 0.03)),
            camera.shaken((0.03, 0.06)),
            camera.noisy(10, 0.7),
        ),
    }
    quality = {"mild": 88, "middling": 70, "bad": 45}
    pen, paper, ink = (
        (0.04, 0.1),
        ((0.9, 0.88, 0.84), (0.85, 0.87, 0.9), (0.93, 0.9, 0.8)),
        (grey(0.15), BLUE_INK, (0.2, 0.2, 0.3)),
    )
    base = replace(_BASE, side=(360, 520), height=(0.25, 0.6), margin=0.12, pen=pen, paper=paper, ink=ink, noise=0)
    sheets: dict[str, tuple[scene.Step, ...]] = {
        "photo": (scene.texture(0.012),),
        "photo, squared paper": (scene.ruled((0.66, 0.74, 0.84), squares=True, pitch=(0.35, 1.1)),),
        "photo, ruled paper": (scene.ruled((0.62, 0.72, 0.86), margin=True),),
    }
    groups = [
        _condition(
            name,
            replace(base, under=under),
            {grade: {"over": over, "encode": files.jpeg(quality[grade])} for grade, over in strengths.items()},
            share=0.6,
        )
        for name, under in sheets.items()
    ]
    far = {
        grade: {"over": (scene.table(WOOD, (0.05, 0.16)), *over), "encode": files.jpeg(quality[grade])}
        for grade, over in strengths.items()
    }
    groups.append(_condition("photo, sheet on a table", replace(base, height=(0.2, 0.4), margin=0.27), far, share=0.6))
    return [cell for group in groups for cell in group]


_GROUPS = (_plain, _papers, _inks, _lights, _lines, _frames, _cameras, _sizes, _files, _canvases, _photos)
