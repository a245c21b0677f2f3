"""Conditions of paper, pen and hand."""

from dataclasses import replace
from typing import Any

from benchmarks.pictures import annotations, camera, light, paper, surroundings
from benchmarks.pictures.cells import (
    BASE,
    BLUE_INK,
    BOARD,
    CREAM,
    GREEN_INK,
    KRAFT,
    LIGHT_BLUE,
    PINK,
    RED_INK,
    SKY,
    SLATE,
    YELLOW,
    Cell,
    Strengths,
    condition,
)
from benchmarks.pictures.scene import BLACK, WHITE, grey


def cells() -> list[Cell]:
    """Return the cells of paper and pen."""
    return [
        *_papers(),
        *_blemishes(),
        *_inks(),
        *_pens(),
        *_lines(),
        *_boxes(),
        *_annotated(),
        *_cut_out(),
        *_bitmaps(),
    ]


def _papers() -> list[Cell]:
    colours: Strengths = {
        "white": {"paper": (WHITE,), "vary": 0},
        "cream": {"paper": (CREAM,)},
        "coloured": {"paper": (YELLOW, PINK, SKY)},
        "grey": {"paper": (grey(0.62),)},
        "kraft": {"paper": (KRAFT,), "under": (paper.texture(0.04), paper.fibres(150, 0.12))},
    }
    textures: Strengths = {
        "fine": {"under": (paper.texture(0.015),)},
        "rough": {"under": (paper.texture(0.04, 1.5),)},
        "recycled": {"under": (paper.texture(0.03), paper.fibres(200, 0.2))},
        "coarse": {"under": (paper.texture(0.08, 2.0),)},
        "very coarse": {"under": (paper.texture(0.15, 2.5),)},
    }
    return [*condition("paper colour", colours), *condition("paper texture", textures, shown=("very coarse",))]


def _blemishes() -> list[Cell]:
    creases = {
        "slight": {"under": (paper.crease(0.06),)},
        "folded": {"under": (paper.crease(0.15, 2),)},
        "crumpled": {"under": (paper.crease(0.12, 8),)},
        "sharp": {"under": (paper.crease(0.4, 2),)},
    }
    dust = {f"{count} specks": {"over": (paper.specks(count, (0.01, 0.035)),)} for count in (5, 20, 60)}
    dust["20 large"] = {"over": (paper.specks(20, (0.05, 0.1)),)}
    backs = {
        "faint": {"under": (paper.bleed_through(0.06),)},
        "visible": {"under": (paper.bleed_through(0.15),)},
        "strong": {"under": (paper.bleed_through(0.3),)},
    }
    return [
        *condition("crease", creases, shown=("sharp",)),
        *condition("dust", dust, shown=("20 large",)),
        *condition("bleed-through", backs, shown=("strong",)),
    ]


def _inks() -> list[Cell]:
    inks: Strengths = {
        "blue": {"ink": (BLUE_INK,)},
        "red": {"ink": (RED_INK,)},
        "green": {"ink": (GREEN_INK,)},
        "light": {"ink": ((0.45, 0.6, 0.85), (0.95, 0.55, 0.4), (0.6, 0.75, 0.45))},
        "yellow on white": {"ink": ((0.97, 0.88, 0.3),), "paper": (WHITE,), "vary": 0.02},
    }
    chalk = {"paper": (BOARD, SLATE), "ink": (grey(0.85),), "grain": 0.5, "under": (paper.texture(0.1, 3.0),)}
    polarities: Strengths = {
        "dark on light": {},
        "light on dark": {"paper": (grey(0.1),), "ink": (grey(0.9),)},
        "chalk on a board": chalk,
        "dark on mid-grey": {"paper": (grey(0.5),), "ink": (grey(0.15),)},
        "light on mid-grey": {"paper": (grey(0.5),), "ink": (grey(0.9),)},
    }
    contrasts = {f"{levels} levels": {"over": (camera.faint(levels),)} for levels in (160, 80, 40, 20, 10)}
    stark = replace(BASE, paper=(WHITE,), ink=(BLACK,), vary=0, noise=0)
    return [
        *condition("ink colour", inks, shown=("yellow on white",)),
        *condition("polarity", polarities),
        *condition("contrast", contrasts, base=stark, shown=("10 levels",)),
    ]


def _pens() -> list[Cell]:
    pencil = replace(BASE, paper=(grey(0.93), CREAM), under=(paper.texture(0.012),), noise=2.0)
    pencils = {
        "soft": {"ink": (grey(0.35),), "grain": 0.5, "pen": (0.05, 0.08)},
        "hard": {"ink": (grey(0.5),), "grain": 0.5, "pen": (0.035, 0.05)},
        "faint": {"ink": (grey(0.66),), "grain": 0.6, "pen": (0.03, 0.045)},
        "hardly there": {"ink": (grey(0.8),), "grain": 0.7, "pen": (0.025, 0.035)},
    }
    large = replace(BASE, side=(240, 360), height=(0.55, 0.75))
    widths = {f"1/{n}": {"pen": (1 / n, 1 / n)} for n in (40, 28, 20, 14, 10, 8, 6, 5, 4)}
    skipping = {f"{share:.0%} skipped": {"skips": share, "pen": (0.04, 0.09)} for share in (0.05, 0.12, 0.25)}
    return [
        *condition("pencil", pencils, base=pencil, shown=("hardly there",)),
        *condition("pen width", widths, base=large, shown=("1/4",)),
        *condition("dry pen", skipping, shown=("25% skipped",)),
        *condition("slant", {f"{n} degrees": {"slant": (n, n)} for n in (10, 20, 30)}, shown=("30 degrees",)),
        *condition("turn", {f"{n} degrees": {"turn": (n, n)} for n in (8, 15, 25)}, shown=("25 degrees",)),
    ]


def _lines() -> list[Cell]:
    tones = {
        "light blue": LIGHT_BLUE,
        "light grey": grey(0.8),
        "mid-blue": (0.5, 0.65, 0.85),
        "dark grey": grey(0.5),
        "as dark as the ink": grey(0.15),
    }
    small: dict[str, Any] = {"side": (360, 500), "height": (0.1, 0.16), "pen": (0.08, 0.13)}
    squared = {name: {"under": (paper.ruled(tone, squares=True, pitch=(0.35, 1.1)),)} for name, tone in tones.items()}
    squared["small digit"] = {**squared["mid-blue"], **small}
    ruled = {name: {"under": (paper.ruled(tone, margin=name == "light blue"),)} for name, tone in tones.items()}
    ruled["small digit"] = {**ruled["mid-blue"], **small}
    dots = {
        name: {"under": (paper.ruled(tones[name], dots=True, pitch=(0.25, 0.7)),)} for name in ("mid-blue", "dark grey")
    }
    dots["small digit"] = {**dots["dark grey"], **small}
    darkest = ("as dark as the ink",)
    return [
        *condition("dotted paper", dots),
        *condition("squared paper", squared, shown=darkest),
        *condition("ruled paper", ruled, shown=darkest),
    ]


def _boxes() -> list[Cell]:
    boxes = {
        "light": {"under": (paper.form_box(grey(0.75), (0.12, 0.3)),)},
        "dark": {"under": (paper.form_box(grey(0.2), (0.12, 0.3)),)},
        "red": {"under": (paper.form_box((0.9, 0.5, 0.45), (0.1, 0.3)),)},
        "touching": {"under": (paper.form_box(grey(0.3), (-0.06, 0.06)),)},
    }
    return condition("form box", boxes, shown=("touching",))


def _annotated() -> list[Cell]:
    base = replace(BASE, side=(300, 400), height=(0.3, 0.4), margin=0.25)
    ink = grey(0.15)
    strengths: Strengths = {
        "underlined": {"over": (annotations.underlined(ink, (0.1, 0.25), (0.05, 0.3)),)},
        "on a line": {"over": (annotations.underlined(ink, (-0.02, 0.03), (0.4, 0.6)),)},
        "slanted line": {"over": (annotations.underlined(ink, (-0.03, 0.15), (0.25, 0.45), slope=0.2),)},
        "ringed": {"over": (annotations.ringed(ink, (0.12, 0.3)),)},
    }
    return condition("annotated", strengths, base=base)


def _cut_out() -> list[Cell]:
    light_ink = {"paper": (BLACK,), "ink": (WHITE,), "vary": 0, "noise": 0}
    tight, near = annotations.cut_out(), annotations.cut_out((0.0, 0.06))
    of_mnist = annotations.cut_out((-0.035, -0.035))  # without the strokes' soft edge
    strengths: Strengths = {
        "tight": {"over": (tight,)},
        "tight, light on dark": {"over": (tight,), **light_ink},
        "tight, MNIST's stroke": {"over": (of_mnist,), "pen": None},
        "tight, enlarged": {"over": (of_mnist, annotations.enlarged((3, 12))), "pen": None},
        "nearly": {"over": (near,)},
    }
    return condition("cut out", strengths, base=replace(BASE, noise=0))


def _bitmaps() -> list[Cell]:
    base = replace(BASE, side=(20, 40), aspect=(1, 1), height=(0.6, 0.85), margin=0.04, pen=None)
    strengths: Strengths = {
        "dim": {"over": (camera.faint(40), camera.noisy(1))},
        "gradient": {"over": (light.gradient(0.6),)},
        "curved shadow": {"over": (light.curved_shadow(0.4),)},
        "letterbox": {"height": (0.5, 0.6), "margin": 0.15, "over": (surroundings.frame(BLACK, (0.08, 0.12), "tb"),)},
        "thin pen": {"side": (28, 40), "pen": (0.045, 0.06)},
    }
    return condition("small bitmap", strengths, base=base)
