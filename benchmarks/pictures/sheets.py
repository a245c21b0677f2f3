"""Contact sheets of wrong answers, for debugging. They show digits of MNIST: keep them out of the repository."""

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchmarks.pictures.measure import NO_DIGIT, Example, Tally

_SIDE, _SEEN, _TEXT, _GAP = 120, 84, 30, 8
_COLUMNS = 6
_CELL = (_SIDE + _SEEN + 2 * _GAP, _SIDE + _TEXT + _GAP)
_BACK = (112, 128, 144)  # a grey on which the edges of light and of dark pictures show


def write(tallies: Mapping[str, Tally], directory: Path) -> int:
    """Write a PNG into `directory` for each source with failing pictures; return how many.

    Each picture is drawn `_SIDE` pixels large beside the model's 28x28 input, above its label, answer, confidence
    and size in pixels.
    """
    directory.mkdir(parents=True, exist_ok=True)
    failing = {name: tally for name, tally in tallies.items() if tally.examples}
    for name, tally in failing.items():
        shares = tally.shares()
        title = f"{name}: {shares.right:.1%} right, {shares.refused:.1%} refused, of {shares.count}"
        file = re.sub(r"[^A-Za-z0-9.%-]+", "_", name) + ".png"
        _sheet(title, tally.examples).save(directory / file)
    return len(failing)


def _sheet(title: str, examples: list[Example]) -> Image.Image:
    columns = min(_COLUMNS, max(2, len(examples)))
    rows = -(-len(examples) // columns)
    sheet = Image.new("RGB", (columns * _CELL[0] + _GAP, rows * _CELL[1] + _TEXT), _BACK)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 6), title, "white", ImageFont.load_default(14))
    for number, example in enumerate(examples):
        left, top = (number % columns) * _CELL[0] + _GAP, (number // columns) * _CELL[1] + _TEXT
        picture = opened(example.content)
        method = Image.Resampling.NEAREST if 1.5 * max(picture.size) < _SIDE else Image.Resampling.LANCZOS
        sheet.paste(ImageOps.contain(picture, (_SIDE, _SIDE), method), (left, top))
        if example.seen is not None:
            sheet.paste(
                Image.fromarray(example.seen).resize((_SEEN, _SEEN), Image.Resampling.NEAREST), (left + _SIDE + 4, top)
            )
        draw.text((left, top + _SIDE + 1), _caption(example, picture.size), "white", ImageFont.load_default(11))
    return sheet


def _caption(example: Example, size: tuple[int, int]) -> str:
    answer = example.answer
    is_ = "no digit" if example.label == NO_DIGIT else f"{example.label}"
    said = answer.code or f"{answer.digit} ({answer.confidence:.2f}{', certain' if answer.certain else ''})"
    return f"{is_}, said {said}\n{size[0]}x{size[1]}"


def opened(content: bytes) -> Image.Image:
    """Return a file as a viewer shows it: upright, transparency on a checkerboard, 16 bits scaled."""
    image = ImageOps.exif_transpose(Image.open(BytesIO(content)))
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    layer = image.convert("RGBA")
    rows, columns = np.ogrid[: layer.height, : layer.width]
    ground = Image.fromarray(np.where((rows // 8 + columns // 8) % 2, 150, 110).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(ground, layer).convert("RGB")
