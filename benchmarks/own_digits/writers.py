"""Three writers whose ones, sevens and nines the published model misreads, drawn with Bézier curves.

They share nothing with `training/synthesis`, whose forms the model has learnt, or with `benchmarks/pictures`. A writer
has one form for each digit, a pen and a slant; each digit varies a little.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from tests import drawing

Points = npt.NDArray[np.float64]

SIDE = 120  # pixels of a picture
_FINE = 3  # oversampling
_STEPS = 24  # line segments of a curve
_HEIGHT = 72  # height of a digit in pixels, plus or minus a quarter


@dataclass(frozen=True)
class Writer:
    """A hand: for each digit its strokes, the pen's width in heights of a digit, the slant, and how loosely it writes.

    A stroke is a text of points in hundredths of the height, x to the right and y down, joined by straight lines. Three
    points joined by `~` are a quadratic Bézier curve; the middle one is its control point.
    """

    name: str
    pen: float
    slant: float
    loose: float
    digits: Mapping[int, tuple[str, ...]]


_PLAIN: Mapping[int, tuple[str, ...]] = {
    0: ("35,0~0,5~0,50 0,50~0,100~35,100 35,100~72,100~72,50 72,50~72,0~35,0",),
    2: ("2,20~10,-8~40,2 40,2~75,15~45,55 45,55~25,80~0,98 0,98 70,96",),
    3: ("4,8~60,-12~58,22 58,22~56,44~24,46 24,46~68,46~62,74 62,74~54,110~0,92",),
    4: ("40,0 0,60 70,58", "52,30 48,100"),
    5: ("60,2 14,2 10,42", "10,42~70,30~60,74 60,74~50,108~0,94"),
    6: ("48,0~2,20~2,70 2,70~6,104~36,98 36,98~66,90~54,64 54,64~36,40~4,72",),
    8: ("56,10~24,-10~12,16 12,16~10,34~36,48 36,48~78,72~44,96 44,96~0,108~4,76 4,76~10,54~36,44 36,44~66,26~54,8",),
}

WRITERS = (
    Writer(
        "anna",
        pen=0.075,
        slant=0.08,
        loose=0.022,
        digits=_PLAIN
        | {
            1: ("4,26~30,14~40,0 40,0~44,70~20,98 20,98 70,92",),
            7: ("6,24 4,4 58,4 58,4~20,60~28,90 28,90~44,110~60,80", "14,50 60,46"),
            9: ("54,12~22,-14~8,16 8,16~10,40~52,26 52,26 56,8~62,60~48,86 48,86~20,112~8,90 8,90~10,66~80,64",),
        },
    ),
    Writer(
        "bela",
        pen=0.055,
        slant=-0.12,
        loose=0.026,
        digits=_PLAIN
        | {
            1: ("0,78~64,44~62,12 62,12~52,-14~36,12 36,12~22,94~54,100 54,100~70,100~82,84",),
            7: ("0,4 60,2 30,100", "8,26 62,24"),
            9: ("40,12~20,-6~18,10 18,10~20,26~40,14 40,14 34,100",),
        },
    ),
    Writer(
        "cem",
        pen=0.11,
        slant=0.22,
        loose=0.02,
        digits=_PLAIN
        | {
            1: ("0,30~30,24~36,2 36,2~44,60~30,92 30,92~44,104~66,84",),
            7: ("0,10 60,4 60,4~14,60~30,92 30,92~48,106~64,86",),
            9: ("52,40~0,46~4,20 4,20~20,-10~50,12 50,12~56,22~52,40 52,40 24,98 24,98~40,92~78,98",),
        },
    ),
)


def draw(writer: Writer, digit: int, random: np.random.Generator) -> Image.Image:
    """Return a digit by this writer, dark on light paper, a grey picture of 120x120 pixels."""
    strokes = [_curve(stroke, writer.loose, random) for stroke in writer.digits[digit]]
    height = _HEIGHT * random.uniform(0.8, 1.25) * _FINE
    slant, turn = writer.slant + random.normal(0, 0.06), random.normal(0, 0.04)
    shape = np.array([[random.normal(1, 0.08), -slant], [0, 1]]) @ np.array([[1, -turn], [turn, 1]])
    placed = [(stroke - (0.35, 0.5)) @ shape.T * height + SIDE * _FINE / 2 for stroke in strokes]
    width = writer.pen * random.uniform(0.85, 1.2) * height
    page, ink = random.integers(215, 250), random.integers(20, 80)
    image = Image.new("L", (SIDE * _FINE, SIDE * _FINE), int(page))
    brush = ImageDraw.Draw(image)
    for stroke in placed:
        brush.line([tuple(point) for point in stroke], fill=int(ink), width=round(width), joint="curve")
        for x, y in (stroke[0], stroke[-1]):
            brush.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=int(ink))
    return image.filter(ImageFilter.GaussianBlur(_FINE / 2)).resize((SIDE, SIDE), Image.Resampling.BOX)


def png(writer: Writer, digit: int, random: np.random.Generator) -> bytes:
    """Return such a picture as PNG."""
    return drawing.encode(draw(writer, digit, random))


def _curve(stroke: str, loose: float, random: np.random.Generator) -> Points:
    """Return the points of a stroke in digit heights, each displaced a little."""
    pieces, shared = [], dict[str, Points]()
    for word in stroke.split():
        ends = []
        for name in word.split("~"):
            if name not in shared:
                shared[name] = np.array([float(number) / 100 for number in name.split(",")]) + random.normal(
                    0, loose, 2
                )
            ends.append(shared[name])
        pieces.append(_bezier(*ends) if len(ends) == 3 else np.array(ends))
    return np.concatenate(pieces)


def _bezier(start: Points, control: Points, end: Points) -> Points:
    t = np.linspace(0, 1, _STEPS)[:, None]
    found: Points = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return found
