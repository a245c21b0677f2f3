"""The table and the plot of all fine-tunings."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from benchmarks.own_digits import writers
from benchmarks.own_digits.measure import Errors, Result
from training import markdown
from training.release.own import interval

_HEAD = (
    "writer | digits given (learnt) | errors on the hand before | after | errors gone "
    "| MNIST validation errors, before and after | MNIST test errors, before and after | time"
)
_MANY, _SIDE = 3, writers.SIDE  # digits of each kind on the sheet


def table(results: Iterable[Result]) -> str:
    """Return the results as a table in Markdown."""
    return markdown.table(_HEAD.split(" | "), map(_row, results))


def _row(result: Result) -> tuple[str, ...]:
    hand = result.hand
    return (
        result.writer,
        f"{result.given} ({result.learnt})",
        _percent(hand.before, hand.count),
        _percent(hand.after, hand.count),
        f"{1 - hand.after / hand.before:.0%}" if hand.before else "-",
        _pair(result.validation),
        _pair(result.test),
        f"{result.seconds:.0f} s",
    )


def _percent(errors: int, count: int) -> str:
    low, high = interval(errors, count)
    return f"{errors / count:.1%} ({1 - high:.1%} to {1 - low:.1%})"


def _pair(errors: Errors) -> str:
    return f"{errors.before}, {errors.after} ({100 * (errors.after - errors.before) / errors.count:+.2f} points)"


def plot(path: Path, results: Sequence[Result]) -> None:
    """Draw the errors on each hand and on MNIST's test digits by the number of digits given."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name in dict.fromkeys(result.writer for result in results):
        own = [result for result in results if result.writer == name]
        given = [0, *(result.given for result in own)]
        for axes, kind in ((left, "hand"), (right, "test")):
            errors: list[Errors] = [getattr(result, kind) for result in own]
            shares = [errors[0].before, *(each.after for each in errors)]
            axes.plot(given, [100 * share / errors[0].count for share in shares], marker="o", label=name)
    left.set(xlabel="digits of the writer", ylabel="error on that hand, %")
    right.set(xlabel="digits of the writer", ylabel="error on MNIST's test digits, %", ylim=(0, 0.6))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def sheet(path: Path) -> None:
    """Draw the ones, sevens and nines of each writer, as the service gets them."""
    kinds = [digit for digit in (1, 7, 9) for _ in range(_MANY)]
    drawn = Image.new("L", (len(kinds) * _SIDE, len(writers.WRITERS) * _SIDE))
    for row, writer in enumerate(writers.WRITERS):
        for column, digit in enumerate(kinds):
            picture = writers.draw(writer, digit, np.random.default_rng([row, column]))
            drawn.paste(picture, (column * _SIDE, row * _SIDE))
    drawn.resize((drawn.width // 2, drawn.height // 2), Image.Resampling.LANCZOS).save(path, "PNG")
