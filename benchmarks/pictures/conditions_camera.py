"""Conditions of light, surroundings and camera, and photographs, which combine several."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.pictures import camera, files, light, paper, surroundings
from benchmarks.pictures.cells import BASE, BLUE_INK, RED_INK, WOOD, Cell, Strengths, condition
from benchmarks.pictures.look import Look
from benchmarks.pictures.scene import BLACK, WHITE, Step, grey


def cells() -> list[Cell]:
    """Return the cells of light, surroundings and camera."""
    return [*_lights(), *_surroundings(), *_cameras(), *_photographs()]


def _lights() -> list[Cell]:
    glares = {
        "slight": {"over": (light.gradient(0.3), light.glare(0.5))},
        "strong": {"over": (light.gradient(0.5), light.glare(0.75))},
    }
    falling, shadows = (0.3, 0.5, 0.7, 0.9), (0.25, 0.45, 0.6, 0.8)
    marker = replace(BASE, ink=(grey(0.1), BLUE_INK, RED_INK), pen=(0.07, 0.14))
    return [
        *condition("gradient", _depths(light.gradient, falling), shown=("90%",)),
        *condition("vignette", _depths(light.vignette, falling), shown=("90%",)),
        *condition("straight shadow", _depths(light.shadow, shadows), shown=("80%",)),
        *condition("curved shadow", _depths(light.curved_shadow, shadows), shown=("80%",)),
        *condition("whiteboard glare", glares, base=marker),
    ]


def _depths(step: Callable[[float], Step], depths: tuple[float, ...]) -> Strengths:
    return {f"{depth:.0%}": {"over": (step(depth),)} for depth in depths}


def _surroundings() -> list[Cell]:
    base = replace(BASE, height=(0.35, 0.5), margin=0.22)
    light_frame = {"paper": (grey(0.12),), "ink": (grey(0.9),), "over": (surroundings.frame(WHITE, (0.05, 0.12)),)}
    frames: Strengths = {
        "thin": {"over": (surroundings.frame(grey(0.08), (0.005, 0.02)),)},
        "thick": {"over": (surroundings.frame(grey(0.08), (0.06, 0.15)),)},
        "letterbox": {"over": (surroundings.frame(BLACK, (0.1, 0.18), "tb"),)},
        "pillars": {"over": (surroundings.frame(BLACK, (0.1, 0.18), "lr"),)},
        "scanner's edge": {"over": (surroundings.frame(grey(0.15), (0.02, 0.1), "lb"),)},
        "light, round dark": light_frame,
    }
    tables = {
        "wood": {"over": (surroundings.table(WOOD, (0.04, 0.15)),)},
        "dark": {"over": (surroundings.table(grey(0.12), (0.04, 0.15)),)},
        "light": {"over": (surroundings.table(grey(0.6), (0.04, 0.15)),)},
        "one side": {"over": (surroundings.table(WOOD, (0.05, 0.18), one_side=True),)},
    }
    far: dict[str, Any] = {"height": (0.07, 0.12), "margin": 0.44}
    notes: Strengths = {
        "wood": {"over": (surroundings.table(WOOD, (0.32, 0.38)),)},
        "dark": {"over": (surroundings.table(grey(0.2), (0.32, 0.38)),)},
        "middling": {"over": (surroundings.table(grey(0.5), (0.32, 0.38)),)},
        "far away": far | {"over": (surroundings.table(WOOD, (0.35, 0.41)),)},
    }
    note = replace(base, side=(400, 1200), height=(0.1, 0.15), margin=0.42)
    return [
        *condition("dark frame", frames, base=base),
        *condition("table", tables, base=base),
        *condition("note on a table", notes, base=note, shown=("far away",)),
    ]


def _cameras() -> list[Cell]:
    blurs = {f"{size:.1%}": {"over": (camera.blur((size, size)),)} for size in (0.01, 0.02, 0.035, 0.05, 0.08)}
    shakes = {f"{size:.0%}": {"over": (camera.shaken((size, size)),)} for size in (0.05, 0.1, 0.2)}
    sharpened = {f"{n}": {"over": (camera.blur((0.01, 0.02)), camera.sharpened(n))} for n in (1, 3)}
    qualities = {f"quality {quality}": {"encode": files.jpeg(quality)} for quality in (90, 70, 50, 30, 10)}
    return [
        *condition("blur", blurs, shown=("8.0%",)),
        *condition("shaken", shakes, shown=("20%",)),
        *condition("sharpened", sharpened),
        *condition("noise", {f"{n} levels": {"noise": n} for n in (5, 12, 25, 50)}, shown=("50 levels",)),
        *condition("JPEG", qualities, base=replace(BASE, noise=2.0), shown=("quality 10",)),
    ]


_MILD = (
    camera.tilted(4, 0.03),
    light.gradient(0.2),
    camera.blur((0.005, 0.012)),
    camera.sharpened(0.6),
    camera.noisy(2, 0.6),
)
_MIDDLING = (
    camera.tilted(8, 0.05),
    light.gradient(0.35),
    light.curved_shadow(0.3, soft=(0.02, 0.08)),
    camera.blur((0.008, 0.02)),
    camera.sharpened(0.8),
    camera.noisy(5, 0.6),
)
_BAD = (
    camera.tilted(14, 0.07),
    light.gradient(0.45),
    light.shadow(0.4, soft=(0.01, 0.05)),
    light.vignette(0.3),
    camera.blur((0.015, 0.03)),
    camera.shaken((0.03, 0.06)),
    camera.noisy(10, 0.7),
)
#: The camera's effects by grade, the JPEG quality, and the margin that keeps the digit inside.
_GRADES = {"mild": (_MILD, 88, 0.1), "middling": (_MIDDLING, 70, 0.16), "bad": (_BAD, 45, 0.24)}


def _photographs() -> list[Cell]:
    base = replace(
        BASE,
        side=(360, 520),
        height=(0.25, 0.5),
        pen=(0.04, 0.1),
        paper=((0.9, 0.88, 0.84), (0.85, 0.87, 0.9), (0.93, 0.9, 0.8)),
        ink=(grey(0.15), BLUE_INK, (0.2, 0.2, 0.3)),
        noise=0,
    )
    sheets: dict[str, tuple[Step, ...]] = {
        "photo": (paper.texture(0.012),),
        "photo, squared paper": (paper.ruled((0.66, 0.74, 0.84), squares=True, pitch=(0.35, 1.1)),),
        "photo, ruled paper": (paper.ruled((0.62, 0.72, 0.86), margin=True),),
    }
    found = [cell for name, under in sheets.items() for cell in _graded(name, replace(base, under=under))]
    far = replace(base, height=(0.2, 0.4), margin=0.27, over=(surroundings.table(WOOD, (0.05, 0.16)),))
    return found + _graded("photo, sheet on a table", far)


def _graded(name: str, base: Look, *, share: float = 0.6) -> list[Cell]:
    strengths = {
        grade: {"over": (*base.over, *steps), "encode": files.jpeg(quality), "margin": max(base.margin, margin)}
        for grade, (steps, quality, margin) in _GRADES.items()
    }
    return condition(name, strengths, base=base, share=share)
