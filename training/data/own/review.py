"""A contact sheet of digits whose labels contradict a certain answer: wrong labels, or an unfamiliar hand."""

from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from service.contract import IMAGE_SIDE
from training.data.own.digits import Own
from training.data.published import Published
from training.files import replace_file

_COLUMNS, _SCALE, _MARGIN, _LINE = 8, 4, 12, 12
_CELL = (IMAGE_SIDE * _SCALE + 2 * _MARGIN + 28, IMAGE_SIDE * _SCALE + 2 * _MARGIN + 3 * _LINE)
_MOST = 400  # pictures on a sheet
_PAPER, _INK = 255, 0


def write(path: Path, own: Own, published: Published) -> int:
    """Draw the contradicting digits as the model sees them, with label, answer and name, into a PNG file.

    The most certain come first. Returns how many there are; where there are none no file is written.

    Raises:
        OSError: the file cannot be written.
    """
    images = np.concatenate([own.learnt.images, own.held_out.images])
    labels = np.concatenate([own.learnt.labels, own.held_out.labels])
    names = [Path(source).name for source in chain(own.learnt.sources, own.held_out.sources)]
    answers = published.engine.run(images)
    read, confidence = answers.argmax(axis=1), answers.max(axis=1)
    contradicting = np.flatnonzero((read != labels) & (confidence >= published.manifest.certain_from))
    ranked = contradicting[np.argsort(-confidence[contradicting], kind="stable")]
    captions = [
        f"told {labels[each]}, read {read[each]}\n{confidence[each]:.2%} sure\n{names[each][:22]}" for each in ranked
    ]
    if len(ranked):
        sheet = _sheet([images[each] for each in ranked[:_MOST]], captions[:_MOST])
        replace_file(path, lambda beside: sheet.save(beside, "PNG"))
    return len(ranked)


def _sheet(images: list[np.ndarray], captions: list[str]) -> Image.Image:
    columns, rows = min(len(images), _COLUMNS), -(-len(images) // _COLUMNS)
    sheet = Image.new("L", (columns * _CELL[0], rows * _CELL[1]), _PAPER)
    brush = ImageDraw.Draw(sheet)
    side = IMAGE_SIDE * _SCALE
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = number % _COLUMNS * _CELL[0] + _MARGIN, number // _COLUMNS * _CELL[1] + _MARGIN
        sheet.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST), (left, top))
        brush.multiline_text((left, top + side + 2), caption, fill=_INK, spacing=1)
    return sheet
