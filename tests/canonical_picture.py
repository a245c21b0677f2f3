"""Draw docs/canonical.png, pictures before and after preprocessing: `python -m tests.canonical_picture`."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from service.preprocessing.mnist_format import canonical_digit
from tests import drawing, scenes
from tests.server import ROOT

_WIDTH, _HEIGHT, _GAP, _CAPTION, _COLUMNS = 160, 120, 12, 20, 3


def main() -> None:
    """Write the figure: pairs of an uploaded picture and the 28x28 input of the model."""
    rows = -(-len(scenes.CONDITIONS) // _COLUMNS)
    pair = _WIDTH + _HEIGHT
    size = _COLUMNS * (pair + 2 * _GAP), rows * (_HEIGHT + _CAPTION + _GAP)
    board = Image.new("L", size, 255)
    for number, (name, condition) in enumerate(scenes.CONDITIONS.items()):
        left = number % _COLUMNS * (pair + 2 * _GAP) + _GAP
        top = number // _COLUMNS * (_HEIGHT + _CAPTION + _GAP)
        before = condition((2, 4, 5, 3, 8)[number % 5])
        ImageDraw.Draw(board).text((left, top + 3), name, fill=0, font=drawing.font(13))
        board.paste(_fitted(before), (left, top + _CAPTION))
        board.paste(_magnified(canonical_digit(before)), (left + _WIDTH, top + _CAPTION))
    board.save(ROOT / "docs" / "canonical.png", optimize=True)


def _fitted(picture: scenes.Grey) -> Image.Image:
    factor = min(_WIDTH / picture.shape[1], _HEIGHT / picture.shape[0])
    size = round(factor * picture.shape[1]), round(factor * picture.shape[0])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    tile = np.full((_HEIGHT, _WIDTH), 255, np.uint8)
    left = (_WIDTH - size[0]) // 2
    tile[: size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=way)
    return Image.fromarray(tile)


def _magnified(digit: scenes.Grey) -> Image.Image:
    return Image.fromarray(digit).resize((_HEIGHT, _HEIGHT), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
