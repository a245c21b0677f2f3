"""The conditions: how the digits of a number are placed, and how the picture is taken."""

from dataclasses import dataclass, replace
from functools import cache

from benchmarks.numbers.writing import Setting
from benchmarks.pictures import paper
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.look import Look
from benchmarks.pictures.scene import BLACK, WHITE, Box, Picture, Random, Step, grey

Range = tuple[float, float]

#: The conditions of single digits (`benchmarks.pictures`) that are used for numbers too.
_SHARED = (
    "plain/pen", "plain/MNIST's stroke", "paper colour/cream", "paper colour/kraft", "paper texture/rough",
    "crease/folded", "dust/20 specks", "bleed-through/faint", "ink colour/blue", "ink colour/light",
    "polarity/light on dark", "polarity/chalk on a board", "contrast/40 levels", "pencil/soft", "pencil/faint",
    "pen width/1/28", "pen width/1/14", "pen width/1/8", "dry pen/5% skipped", "slant/10 degrees", "slant/20 degrees",
    "squared paper/light blue", "squared paper/mid-blue", "squared paper/dark grey", "ruled paper/light blue",
    "ruled paper/mid-blue", "ruled paper/dark grey", "form box/light", "form box/dark", "form box/red",
    "annotated/underlined", "gradient/50%", "vignette/50%", "straight shadow/45%", "curved shadow/45%",
    "dark frame/thin", "dark frame/letterbox", "table/wood", "blur/2.0%", "shaken/5%", "noise/12 levels",
    "JPEG/quality 30", "photo/mild", "photo/middling", "photo, squared paper/mild", "photo, squared paper/middling",
    "photo, ruled paper/mild", "photo, ruled paper/middling", "photo, sheet on a table/mild",
    "photo, sheet on a table/middling",
)  # fmt: skip
#: Pictures that people can hardly read: reported, without a target.
_SHOWN = ("photo/bad", "photo, ruled paper/bad", "photo, sheet on a table/bad", "blur/5.0%", "noise/25 levels")
_TOUCHING = {"0 to 5%": (0.0, 0.05), "5 to 10%": (0.05, 0.1), "10 to 15%": (0.1, 0.15)}


_USUAL = Setting()


@dataclass(frozen=True)
class Condition:
    """A condition: `look` and `setting`, how many `digits` a line has and how many `lines` there are.

    `held` names the mark that it is held to: `apart`, `touching` or none. `forms` writes those, no MNIST.
    """

    name: str
    look: Look
    setting: Setting = _USUAL
    digits: tuple[int, int] = (5, 5)
    lines: tuple[int, int] = (1, 1)
    held: str = "apart"
    forms: bool = False


def wide(look: Look) -> Look:
    """Return the look of a picture that is as wide as a number."""
    side = (600.0, 1000.0)
    height = (0.28, 0.55) if look.margin < 0.2 else (0.22, 0.36)
    return replace(look, side=side, aspect=(1.8, 3.3), height=height, margin=min(look.margin, 0.2))


@cache
def conditions() -> tuple[Condition, ...]:
    """Return all conditions."""
    looks = {cell.name: wide(cell.look) for cell in cells()}
    plain, stroke, photo = looks["plain/pen"], looks["plain/MNIST's stroke"], looks["photo/mild"]
    return (
        *(Condition(name, looks[name]) for name in _SHARED),
        *(Condition(name, looks[name], held="") for name in _SHOWN),
        *_settings(plain, photo),
        *_lengths(plain, photo),
        *(
            Condition(f"touching {share}{kind}", look, Setting(overlap=overlap), held="touching" if last else "")
            for kind, look in ((", pen", plain), (", MNIST's stroke", stroke), (", photo", photo))
            for share, overlap in _TOUCHING.items()
            for last in [share == "0 to 5%"]
        ),
        *(
            Condition(f"one pair touching{kind}", look, Setting(touching=1), held="touching")
            for kind, look in ((", pen", plain), (", MNIST's stroke", stroke), (", photo", photo))
        ),
        Condition("held-back forms", plain, forms=True),
        Condition("held-back forms, photo", photo, forms=True),
    )


def _settings(plain: Look, photo: Look) -> list[Condition]:
    comb = replace(plain, under=(cells_of_a_form(grey(0.35)),), height=(0.3, 0.45))
    light = replace(plain, under=(cells_of_a_form((0.9, 0.6, 0.5)),), height=(0.3, 0.45))
    canvas = replace(plain, paper=(WHITE,), ink=(BLACK,), vary=0, noise=0, pen=(0.05, 0.12))
    return [
        Condition("uneven sizes", plain, Setting(sizes=0.25)),
        Condition("uneven baseline", plain, Setting(baseline=0.15)),
        Condition("rising or falling line", plain, Setting(slope=(-8, 8))),
        Condition("close, not touching", plain, Setting(gap=(0.03, 0.08))),
        Condition("far apart", plain, Setting(gap=(0.4, 1.0))),
        Condition("cells of a form, dark", comb, Setting(cells=1.1)),
        Condition("cells of a form, light red", light, Setting(cells=1.1)),
        Condition("drawn on a screen", canvas),
        Condition("small in the picture", replace(plain, height=(0.08, 0.14), aspect=(1.2, 1.5))),
        Condition("small in a photo", replace(photo, height=(0.08, 0.14), aspect=(1.2, 1.5), side=(1200, 1600))),
        Condition("low strip", replace(canvas, side=(120, 200), aspect=(4, 5), height=(0.6, 0.8), margin=0.02)),
    ]


def _lengths(plain: Look, photo: Look) -> list[Condition]:
    found = []
    for count in (1, 2, 3, 4, 8, 10):
        flat = replace(plain, aspect=(2.6, 4.0)) if count > 5 else plain
        found.append(Condition(f"{count} digit{'s' if count > 1 else ''}", flat, digits=(count, count)))
    for kind, look in (("", plain), (", photo", photo)):
        square = replace(look, aspect=(1.0, 1.6), height=(0.12, 0.2))
        found += [Condition(f"{count} lines{kind}", square, digits=(2, 6), lines=(count, count)) for count in (2, 3)]
    return found


def cells_of_a_form(colour: tuple[float, float, float]) -> Step:
    """A row of cells, one for each of five digits, as in `Setting.cells`."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        pitch = box.width / 5
        room = (0.0, 0.02)
        for number in range(5):
            cell = Box(round(box.left + number * pitch), box.top, round(pitch), box.height)
            picture = paper.form_box(colour, room)(picture, cell, rng)
        return picture

    return step
