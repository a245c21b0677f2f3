"""Characters from fonts: which resemble a digit, and their rendering as ink or lines."""

from functools import lru_cache
from pathlib import Path

import font_amatic_sc
import font_intuitive
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pictures import trace
from benchmarks.pictures.strokes import Ink, Lines

DIGITS = "0123456789"

#: Characters that some hands write as a digit, and why. They are shown and have no target.
RESEMBLING: tuple[tuple[str, str], ...] = (
    ("OoDQ°", "a 0, one with a tail or a flat side"),
    ("UuCcVvae", "a 0 that was not closed, or a 6 or 9 with a hasty bowl"),
    ("Iil|!/\\jJ()[]rf", "a 1: one stroke, perhaps with a hook, a bar or a dot"),
    ("LΓ", "a 1 with half a foot; a 7 turned over"),
    ("Tt?>", "a 7, or a 1 with its bar"),
    ("Zz", "a 2"),
    ("Yy+", "a 4 left open, or a 9 with an open bowl"),
    ("Ss$§", "a 5"),
    ("bGd", "a 6, or one in a mirror; a d in script is a 2"),
    ("B∞", "an 8, or one lying"),
    ("gqp", "a 9, or one in a mirror"),
)

#: Characters unlike any digit: three or more strokes, corners where digits have none, crossings without bowls.
UNLIKE_LETTERS = "AEFHKMNPRWXkmnwxh"
UNLIKE_SYMBOLS = "&#@%*=€ΣΩΨπ√♥★☺♪♣"

_MNIST_SIDE, _GLYPH_HEIGHT = 28, 20


def fonts() -> dict[str, Path]:
    """Return the fonts: matplotlib's DejaVu, which are printed, and two that look handwritten."""
    dejavu = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ("Sans", "Sans-Bold", "Sans-Oblique", "Serif", "Serif-Italic", "SansMono")
    written = {
        "Amatic": font_amatic_sc.AmaticSC,
        "Amatic-Bold": font_amatic_sc.AmaticSCBold,
        "Intuitive": font_intuitive.Intuitive,
    }
    return {f"DejaVu-{name}": dejavu / f"DejaVu{name}.ttf" for name in names} | {
        name: Path(path) for name, path in written.items()
    }


def characters(wanted: str) -> list[tuple[str, str]]:
    """Return (font, character) for each of the characters `wanted` in each font that has it."""
    # Amatic has small capitals for lower-case letters.
    return [
        (font, character)
        for font in fonts()
        for character in wanted
        if _has(font, character) and not (font.startswith("Amatic") and character.islower())
    ]


def resembling() -> str:
    """Return the characters that resemble a digit."""
    return "".join(group for group, _ in RESEMBLING)


def glyph(font: str, character: str, height: float) -> Ink:
    """Return a printed character, cropped, about `height` pixels high."""
    size = 2 * height  # of the font: more than any character needs
    mask = Image.new("L", (round(4 * height) + 8, round(4 * height) + 8))
    ImageDraw.Draw(mask).text((mask.width / 2, mask.height / 2), character, 255, _font(font, size), anchor="mm")
    cut = mask.crop(mask.getbbox())
    scale = height / max(cut.height, cut.width / 1.2)
    cut = cut.resize((max(1, round(cut.width * scale)), max(1, round(cut.height * scale))), Image.Resampling.BICUBIC)
    return np.asarray(np.asarray(cut) / 255, np.float32)


@lru_cache(maxsize=1024)
def traced(font: str, character: str) -> Lines:
    """Return the centre lines of a character's strokes."""
    ink = glyph(font, character, _GLYPH_HEIGHT)
    image = np.zeros((_MNIST_SIDE, _MNIST_SIDE), np.uint8)
    height, width = (min(length, _MNIST_SIDE) for length in ink.shape)
    top, left = (_MNIST_SIDE - height) // 2, (_MNIST_SIDE - width) // 2
    image[top : top + height, left : left + width] = np.round(ink[:height, :width] * 255)
    return trace.traced(image)


@lru_cache(maxsize=64)
def _font(name: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(fonts()[name]), size)


@lru_cache(maxsize=1024)
def _has(font: str, character: str) -> bool:
    face = _font(font, 40)
    missing, found = (bytes(face.getmask(text)) for text in ("\U0010fffd", character))
    return bool(found) and found != missing
