"""The report in Markdown, and contact sheets of failed pictures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.numbers.conditions import conditions
from benchmarks.numbers.measure import Tally
from benchmarks.pictures.nondigits import Wanted
from benchmarks.pictures.nondigits import non_digits as kinds
from benchmarks.pictures.sheets import opened
from training.markdown import table

APART, EACH, TOUCHING, WITHOUT, CERTAIN = 0.95, 0.88, 0.85, 0.98, 0.995
_CELL, _COLUMNS = (300, 150), 4


def markdown(heading: Sequence[str], tallies: Mapping[str, Tally]) -> str:
    """Return the report: the lines of `heading`, the targets, and each condition."""
    rows = [
        (one.name, one.held or "shown", f"{tallies[one.name].right:.1%}", str(len(tallies[one.name].results)))
        for one in conditions()
        if one.name in tallies
    ]
    rows.sort(key=lambda row: float(row[2][:-1]))
    others = [
        (name, kind.wanted.value, f"{tallies[name].right:.1%}", str(len(tallies[name].results)))
        for name, kind in kinds().items()
        if name in tallies
    ]
    parts = [
        "\n".join(heading),
        table(("asked for", "mark", "found"), marks(tallies)),
        table(("condition", "held to", "wholly right", "n"), rows),
        table(("pictures without digits", "of /predict is wanted", "no number", "n"), others),
    ]
    return "\n\n".join(parts) + "\n"


def marks(tallies: Mapping[str, Tally]) -> list[tuple[str, str, str]]:
    """Return the targets that were measured: name, target, result."""
    by_mark = {
        held: [tallies[one.name] for one in conditions() if one.held == held and one.name in tallies]
        for held in ("apart", "touching", "")
    }
    found = []
    if apart := by_mark["apart"]:
        shares = [tally.right for tally in apart]
        low = sum(share < EACH for share in shares)
        found.append(("digits apart, wholly right", f"{APART:.0%}", f"{np.mean(shares):.1%}"))
        found.append((f"conditions under {EACH:.0%}", "none", f"{low} of {len(shares)}"))
    if touching := by_mark["touching"]:
        mean = np.mean([tally.right for tally in touching])
        found.append(("touching by up to 5%, wholly right", f"{TOUCHING:.0%}", f"{mean:.1%}"))
    certain = [
        answer.lines == lines
        for tally in (*by_mark["apart"], *by_mark["touching"], *by_mark[""])
        for lines, answer in tally.results
        if answer.certain
    ]
    if certain:
        total = sum(len(tally.results) for group in by_mark.values() for tally in group)
        found.append(("of the certain ones wholly right", f"{CERTAIN:.1%}", f"{np.mean(certain):.2%}"))
        found.append(("certain, of all conditions", "", f"{len(certain) / total:.1%}"))
    return found + _without(tallies)


def _without(tallies: Mapping[str, Tally]) -> list[tuple[str, str, str]]:
    counted = [tallies[name] for name, kind in kinds().items() if name in tallies and kind.wanted is not Wanted.NOTHING]
    if not counted:
        return []
    answers = [answer for tally in counted for _, answer in tally.results]
    none = np.mean([not answer.lines for answer in answers])
    unsure = np.mean([not answer.certain for answer in answers])
    return [
        ("pictures without digits: no number", f"{WITHOUT:.0%}", f"{none:.1%}"),
        ("pictures without digits: no certain number", "", f"{unsure:.2%}"),
    ]


def write_sheets(tallies: Mapping[str, Tally], directory: Path) -> int:
    """Write a PNG into `directory` for each source with failing pictures; return how many. They hold MNIST's digits."""
    directory.mkdir(parents=True, exist_ok=True)
    failing = {name: tally for name, tally in tallies.items() if tally.failed}
    for name, tally in failing.items():
        rows = -(-len(tally.failed) // _COLUMNS)
        sheet = Image.new("RGB", (_COLUMNS * _CELL[0], rows * _CELL[1]), (112, 128, 144))
        draw = ImageDraw.Draw(sheet)
        for index, (content, lines, answer) in enumerate(tally.failed):
            left, top = (index % _COLUMNS) * _CELL[0], (index // _COLUMNS) * _CELL[1]
            picture = opened(content)
            picture.thumbnail((_CELL[0] - 8, _CELL[1] - 26))
            sheet.paste(picture, (left + 4, top + 4))
            said = f"{' '.join(lines) or '-'}: {' '.join(answer.lines) or answer.code}{' certain' * answer.certain}"
            draw.text((left + 4, top + _CELL[1] - 20), said, "white", ImageFont.load_default(13))
        sheet.save(directory / (re.sub(r"[^A-Za-z0-9.%-]+", "_", name) + ".png"))
    return len(failing)
