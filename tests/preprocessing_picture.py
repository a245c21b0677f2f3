"""Draw docs/preprocessing.png, a picture after each step: `python -m tests.preprocessing_picture`."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.preprocessing.annotations import without_annotations
from service.preprocessing.binarize import to_ink
from service.preprocessing.frames import without_frames
from service.preprocessing.illumination import UnevenLight, working_copy
from service.preprocessing.mnist_format import canonical_digit, centre, find, fit
from service.preprocessing.page import filled_up, find_sheet
from service.preprocessing.ruled_lines import without_lines
from tests import drawing, scenes
from tests.server import ROOT

_WIDTH, _HEIGHT, _GAP, _CAPTION, _COLUMNS = 200, 150, 12, 20, 5


def main() -> None:
    """Write the figure: the steps in order, each with its module's name."""
    steps = list(_steps())
    rows = -(-len(steps) // _COLUMNS)
    board = Image.new("L", (_COLUMNS * (_WIDTH + _GAP) + _GAP, rows * (_HEIGHT + _CAPTION + _GAP)), 255)
    for number, (name, levels) in enumerate(steps):
        left = number % _COLUMNS * (_WIDTH + _GAP) + _GAP
        top = number // _COLUMNS * (_HEIGHT + _CAPTION + _GAP)
        ImageDraw.Draw(board).text((left, top + 3), name, fill=0, font=drawing.font(12))
        board.paste(_fitted(levels), (left, top + _CAPTION))
    board.save(ROOT / "docs" / "preprocessing.png", optimize=True)


def _steps() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    written = np.maximum(scenes.ink(4), scenes.dust(12))
    sheet = scenes.page(written, paper=scenes.squares(44, 0.4, ruled=True))
    grey = scenes.levels(scenes.on_table(sheet, 4) * scenes.slope(0.45, 0.6), 3)
    yield "decode", grey
    scaled = working_copy(grey)
    yield "illumination: working copy", scaled
    found = find_sheet(scaled)
    inside = np.ones_like(scaled) if found is None else found.inside
    yield "page: the sheet", scaled * inside
    paper = filled_up(scaled, inside)
    contrast = UnevenLight(int(0.16 * max(paper.shape)), light_ink=False).contrast(paper)
    yield "illumination: contrast", np.clip(contrast.levels * 2, 0, 255).astype(np.uint8)
    ink = to_ink(contrast.levels, even=False)
    yield "binarize: strokes", ink.strokes * np.uint8(255)
    cleaned = without_annotations(without_lines(without_frames(ink.strokes), ink.traces, ink.amount))
    yield "frames, ruled_lines, annotations", cleaned * np.uint8(255)
    figure = find(grey)
    yield "segment: the figure", (255 * figure).astype(np.uint8)
    yield "mnist_format: fit", (255 * fit(figure)).astype(np.uint8)
    yield "mnist_format: centre", centre(fit(figure))
    yield "a clear drawing, read at once", canonical_digit(scenes.levels(scenes.page(scenes.ink(4))))


def _fitted(levels: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(levels))
    factor = min(_WIDTH / image.width, _HEIGHT / image.height)
    size = round(factor * image.width), round(factor * image.height)
    return image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
