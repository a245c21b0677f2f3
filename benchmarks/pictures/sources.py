"""All sources of pictures by name, so that a process can be told what to make."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.pictures.conditions import cells
from benchmarks.pictures.forms import FORMS, irregular
from benchmarks.pictures.look import Look, picture_of, picture_of_lines
from benchmarks.pictures.nondigits import NUMBERS, non_digits, number, printed
from tests import drawing

Source = Callable[[Any, np.random.Generator], bytes]

FONT_DIGITS = "printed digits"
MNIST = "MNIST, as PNG"
REAL_WORLD = ("optdigits32", "semeion")


def sources() -> dict[str, Source]:
    """Return functions that make a file of an item and a generator, by name of the cell, kind, form or set."""
    return {
        **{cell.name: partial(picture_of, cell.look) for cell in cells()},
        **{name: kind.make for name, kind in non_digits().items()},
        **dict.fromkeys(NUMBERS, number),
        **dict.fromkeys(FORMS, form),
        FONT_DIGITS: printed,
        **dict.fromkeys((MNIST, *REAL_WORLD, *(f"{name}, no duplicates" for name in REAL_WORLD)), bitmap),
    }


def form(name: str, rng: np.random.Generator) -> bytes:
    """Return a file with a digit in this form, written with a pen on paper."""
    return picture_of_lines(Look(), irregular(FORMS[name].lines(rng), rng), rng)


def bitmap(pixels: npt.NDArray[np.uint8], _rng: np.random.Generator) -> bytes:
    """Return a bitmap, uint8 [height, width], as PNG."""
    return drawing.encode(Image.fromarray(pixels))
