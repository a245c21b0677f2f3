"""The results as Markdown, CSV and a plot, without pictures of digits."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.pictures import letters
from benchmarks.pictures.cells import Cell
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.forms import FORMS
from benchmarks.pictures.marks import EACH_CONDITION, MEAN_OF_CONDITIONS, Mark, fulfils, wanted_of
from benchmarks.pictures.measure import Shares, Tally
from benchmarks.pictures.nondigits import NUMBERS, non_digits
from benchmarks.pictures.sources import FONT_DIGITS, MNIST, REAL_WORLD
from training.markdown import table

Row = Sequence[str]

_WHAT = """How well the service reads pictures, by what was done to them. Each is a digit of MNIST, drawn into a scene
of its own, decoded, preprocessed and read by the model. [accuracy.md](accuracy.md) says what falls short.

*Right* is the share of all pictures whose answer is the label, *refused* the share without an answer; *certain, wrong*
is the share of all pictures that are answered wrongly without a warning. Rows that are *shown* have no target, as a
rule because a person can hardly read the pictures. This page is generated:
`make measure ARGS="--data DIR --realworld DIR --out docs"`."""

_PLOT = "![Read right, by condition and strength](robustness.png)"


def markdown(heading: Sequence[str], marks: Sequence[Mark], tallies: Mapping[str, Tally]) -> str:
    """Return the report: the lines of `heading`, the targets, and a table for each measured part."""
    shares = {name: tally.shares() for name, tally in tallies.items()}
    conditions = [(cell, shares[cell.name]) for cell in cells() if cell.name in shares]
    worst = [(cell, found) for cell, found in conditions if cell.counted and found.right < EACH_CONDITION]
    worst.sort(key=lambda pair: pair[1].right)
    parts = [
        "# Robustness",
        _WHAT,
        "\n".join(heading),
        table(("", "target", "measured", ""), ((*mark[:3], _verdict(mark.held)) for mark in marks)),
        _section("Conditions under the target, the worst first", _CONDITION_HEAD, map(_condition_row, worst)),
        _PLOT,
        _section("Digits of other hands", _DIGITS_HEAD, _digit_rows(shares)),
        *_confusions(tallies),
        _section("No digit, or several", _WITHOUT_HEAD, _without_rows(shares)),
        _resembling(tallies),
        _section("All conditions", _CONDITION_HEAD, map(_condition_row, conditions)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_CONDITION_HEAD = ("condition", "strength", "pictures", "right", "refused", "certain", "certain, wrong", "")
_DIGITS_HEAD = ("digits", "pictures", "right", "refused", "certain", "certain, wrong")
_WITHOUT_HEAD = ("pictures", "number", "refused", "as several", "uncertain", "certain", "target", "")


def _condition_row(pair: tuple[Cell, Shares]) -> Row:
    cell, shares = pair
    verdict = _verdict(shares.right >= EACH_CONDITION) if cell.counted else "shown"
    return cell.condition, cell.strength, *_figures(shares), verdict


def _digit_rows(shares: Mapping[str, Shares]) -> Iterator[Row]:
    for name in (MNIST, *(name for name in shares if name.startswith(REAL_WORLD)), *FORMS, FONT_DIGITS):
        if name in shares:
            yield name, *_figures(shares[name])


def _figures(shares: Shares) -> Row:
    ratios = (shares.right, shares.refused, shares.certain, shares.misled)
    return str(shares.count), *(f"{ratio:.1%}" for ratio in ratios)


def _without_rows(shares: Mapping[str, Shares]) -> Iterator[Row]:
    for name in (*non_digits(), *NUMBERS):
        if name in shares:
            found, wanted = shares[name], wanted_of(name)
            ratios = (found.refused, found.several, max(0.0, 1 - found.refused - found.certain), found.certain)
            verdict = _verdict(fulfils(wanted, found)) if wanted.value != "shown" else "shown"
            yield name, str(found.count), *(f"{ratio:.1%}" for ratio in ratios), wanted.value, verdict


def _confusions(tallies: Mapping[str, Tally]) -> Iterator[str]:
    """Describe the confusions in the data sets, the most frequent first."""
    for name in (name for name in tallies if name.startswith(REAL_WORLD)):
        pairs = zip(tallies[name].labels, tallies[name].answers, strict=True)
        wrong = Counter(f"{label} as {said.code or said.digit}" for label, said in pairs if said.digit != label)
        ranking = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:20]
        yield f"Taken for another in {name}: " + (", ".join(f"{pair} {n}x" for pair, n in ranking) or "none") + "."


def _resembling(tallies: Mapping[str, Tally]) -> str:
    if not any("like a digit" in name for name in tallies):
        return ""
    rows = ((" ".join(group).replace("|", "\\|"), reason) for group, reason in letters.RESEMBLING)
    return "Characters like a digit, for which there is no target:\n\n" + table(("characters", "why"), rows)


def _section(title: str, head: Row, rows: Iterable[Row]) -> str:
    rows = list(rows)
    return f"## {title}\n\n{table(head, rows)}" if rows else ""


def _verdict(held: bool) -> str:
    return "pass" if held else "FAIL"


def write(directory: Path, text: str, tallies: Mapping[str, Tally]) -> None:
    """Write `text` and the plot into `directory` as robustness.md and robustness.png."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "robustness.md").write_text(text, encoding="utf-8")
    plot(tallies, directory / "robustness.png")


def plot(tallies: Mapping[str, Tally], path: Path) -> None:
    """Write a PNG to `path`: accuracy by condition and strength; hollow markers do not count."""
    from matplotlib.figure import Figure

    run = [cell for cell in cells() if cell.name in tallies]
    conditions = list(dict.fromkeys(cell.condition for cell in run))
    figure = Figure(figsize=(9, 1.6 + 0.26 * len(conditions)), layout="constrained")
    axes = figure.add_subplot()
    for row, condition in enumerate(conditions):
        group = [cell for cell in run if cell.condition == condition]
        offsets = np.linspace(-0.3, 0.3, len(group)) if len(group) > 1 else [0.0]
        for cell, offset in zip(group, offsets, strict=True):
            right = 100 * tallies[cell.name].shares().right
            colour = "tab:blue" if right >= 100 * EACH_CONDITION else "tab:red"
            face = colour if cell.counted else "none"
            axes.plot(max(right, 50), row + offset, "o", markersize=4, color=colour, markerfacecolor=face)
    axes.axvline(100 * EACH_CONDITION, color="grey", linewidth=0.8)
    axes.axvline(100 * MEAN_OF_CONDITIONS, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(conditions)), conditions)
    axes.set(ylim=(len(conditions) - 0.4, -0.6), xlim=(49, 100.7))
    axes.set_xlabel(
        "% right, from the mildest strength (above) to the strongest (below); hollow: not counted; 50: 50 or less"
    )
    axes.grid(axis="x", linewidth=0.3)
    figure.savefig(path, dpi=110)
