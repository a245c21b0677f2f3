"""Draw docs/preprocessing.png, a picture after each step, and docs/canonical.png, pictures before and after.

python -m tests.preprocessing_pictures
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from service.preprocessing.annotations import without_annotations
from service.preprocessing.binarize import to_ink
from service.preprocessing.frames import without_frames
from service.preprocessing.illumination import UnevenLight, working_copy
from service.preprocessing.mnist_format import canonical_digit, centre, find, fit
from service.preprocessing.page import find_sheet, without_ground
from service.preprocessing.ruled_lines import without_lines
from tests import drawing, scenes
from tests.server import ROOT

_WIDTH, _HEIGHT, _GAP, _CAPTION = 160, 120, 12, 20

Captioned = tuple[str, list[scenes.Grey]]


def main(directory: Path = ROOT / "docs") -> None:
    """Write both figures."""
    _draw(directory / "preprocessing.png", list(_steps()), columns=5)
    _draw(directory / "canonical.png", list(_before_and_after()), columns=3)


def _steps() -> Iterator[Captioned]:
    """Yield the steps in order, each with its module's name."""
    written = np.maximum(scenes.ink(4), scenes.dust(12))
    sheet = scenes.page(written, paper=scenes.squares(44, 0.4, ruled=True))
    grey = scenes.levels(scenes.on_table(sheet, 4) * scenes.slope(0.45, 0.6), 3)
    yield "decode", [grey]
    scaled = working_copy(grey)
    yield "illumination: working copy", [scaled]
    found = find_sheet(scaled)
    inside = np.ones_like(scaled) if found is None else found
    yield "page: the sheet", [scaled * inside]
    paper, _ = without_ground(scaled, inside)
    contrast = UnevenLight(int(0.16 * max(paper.shape)), light_ink=False).contrast(paper)
    yield "illumination: contrast", [np.clip(contrast.levels * 2, 0, 255).astype(np.uint8)]
    ink = to_ink(contrast.levels, even=False)
    yield "binarize: strokes", [ink.strokes * np.uint8(255)]
    cleaned = without_annotations(without_lines(without_frames(ink.strokes), ink.traces, ink.amount))
    yield "frames, ruled_lines, annotations", [cleaned * np.uint8(255)]
    figure = find(grey)
    yield "segment: the figure", [(255 * figure).astype(np.uint8)]
    yield "mnist_format: fit", [(255 * fit(figure)).astype(np.uint8)]
    yield "mnist_format: centre", [centre(fit(figure))]
    yield "a clear drawing, read at once", [canonical_digit(scenes.levels(scenes.page(scenes.ink(4))))]


def _before_and_after() -> Iterator[Captioned]:
    """Yield pairs of an uploaded picture and the 28x28 input of the model."""
    for number, (name, condition) in enumerate(scenes.CONDITIONS.items()):
        before = condition((2, 4, 5, 3, 8)[number % 5])
        yield name, [before, canonical_digit(before)]


def _draw(path: Path, rows: Sequence[Captioned], columns: int) -> None:
    width, height = _GAP + _WIDTH * len(rows[0][1]), _CAPTION + _HEIGHT + _GAP
    board = Image.new("L", (columns * width + _GAP, -(-len(rows) // columns) * height), 255)
    for number, (caption, pictures) in enumerate(rows):
        left, top = _GAP + number % columns * width, number // columns * height
        ImageDraw.Draw(board).text((left, top + 3), caption, fill=0, font=drawing.font(10))
        for place, picture in enumerate(pictures):
            board.paste(_fitted(picture), (left + place * _WIDTH, top + _CAPTION))
    board.save(path, optimize=True)


def _fitted(levels: scenes.Grey) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(levels))
    factor = min(_WIDTH / image.width, _HEIGHT / image.height)
    size = round(factor * image.width), round(factor * image.height)
    return image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
