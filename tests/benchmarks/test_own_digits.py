"""The three drawn hands and the table of results; the fine-tunings themselves take minutes."""

import numpy as np
import pytest

from benchmarks.own_digits import measure, report
from benchmarks.own_digits.measure import Errors, Result
from benchmarks.own_digits.writers import WRITERS, Writer, png
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_digit

pytestmark = pytest.mark.tensorflow  # it imports what trains


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_every_digit_of_a_hand_is_one_figure_and_reproducible(writer: Writer) -> None:
    for digit in range(10):
        first, again = (png(writer, digit, np.random.default_rng([digit, 3])) for _ in range(2))
        other = png(writer, digit, np.random.default_rng([digit, 4]))
        assert first == again != other
        assert canonical_digit(decode(first, max_pixels=1_000_000)).max() > 0


def test_learnt_and_held_out_digits_are_disjoint() -> None:
    streams = [[measure._digit(WRITERS[0], stream, number)[0] for number in range(5)] for stream in (3, 7)]
    assert not set(streams[0]) & set(streams[1])


def test_a_row_of_the_table() -> None:
    result = Result("anna", 100, 81, Errors(200, 20, 1_000), Errors(13, 14, 5_000), Errors(34, 33, 10_000), 41.2)
    head, line, row = report.table([result]).splitlines()
    assert head.count("|") == line.count("|") == row.count("|")
    assert row == (
        "| anna | 100 (81) | 20.0% (17.6% to 22.6%) | 2.0% (1.3% to 3.1%) | 90% "
        "| 13, 14 (+0.02 points) | 34, 33 (-0.01 points) | 41 s |"
    )
