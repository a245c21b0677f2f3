"""The best path through the candidates of a line."""

import numpy as np
import pytest

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Candidate, Row, Span
from service.preprocessing.numbers.number import read_number
from service.preprocessing.numbers.path import Probabilities, best_paths
from service.preprocessing.numbers.pieces import Piece

HEIGHT = 40.0


def span(label: int, first: int, end: int, *, left: int = 0, width: int = 30, height: int = 40) -> Span:
    return Span(Piece(label, Box(left, 0, width, height), 10.0 * width), first, end)


def answers(*said: tuple[int, float]) -> Probabilities:
    rows = np.zeros((len(said), 10), np.float32)
    for row, (digit, probability) in zip(rows, said, strict=True):
        row[:] = (1 - probability) / 9
        row[digit] = probability
    return rows


def whole(spans: list[Span]) -> list[Candidate]:
    return [Candidate(one.first, one.end, index, one.piece.box) for index, one in enumerate(spans)]


def test_sure_digits_are_read() -> None:
    spans = [span(1, 0, 1), span(2, 1, 2, left=40)]
    row = Row(spans, whole(spans), HEIGHT)
    number = read_number([row], answers((4, 0.999), (2, 0.999)))
    assert (number.lines, number.skipped) == (["42"], [])
    assert [digit.image for digit in number.digits] == [0, 1]


def test_unknown_pieces_are_skipped() -> None:
    spans = [span(1, 0, 1), span(2, 1, 2, left=40), span(3, 2, 3, left=80)]
    row = Row(spans, whole(spans), HEIGHT)
    number = read_number([row], answers((4, 0.999), (3, 0.15), (7, 0.999)))
    assert (number.lines, number.skipped) == (["47"], [spans[1].piece.box])
    assert not number.certain


def test_two_sure_parts_beat_a_doubtful_whole_and_lose_to_a_sure_one() -> None:
    pair = span(1, 0, 2, width=60)

    def read(odds: float, *given: tuple[int, float]) -> str:
        """Read a piece or its parts, judged so likely to be whole."""
        judged = np.full(10, odds, np.float32)
        parts = [Candidate(at, at + 1, at + 1, Box(30 * at, 0, 30, 40), judged, 1) for at in range(2)]
        return best_paths(Row([pair], [Candidate(0, 2, 0, pair.piece.box), *parts], HEIGHT), answers(*given))[0].text

    assert read(-0.1, (8, 0.2), (6, 0.99), (3, 0.99)) == "63"
    assert read(-2.0, (8, 0.999), (6, 0.4), (3, 0.4)) == "8"
    assert read(-0.1, (8, 0.6), (6, 0.9), (3, 0.9)) == "63"
    assert read(-4.0, (8, 0.6), (6, 0.9), (3, 0.9)) == "8"


def test_what_the_network_names_decides_between_digits_that_the_model_cannot_tell() -> None:
    named = np.log(np.full(10, 0.01, np.float32))
    named[9] = np.log(0.91)
    spans = [span(1, 0, 1)]
    row = Row(spans, [one._replace(named=named) for one in whole(spans)], HEIGHT)
    unsure, sure = answers((4, 0.6)), answers((4, 0.999))
    unsure[0, 9], unsure[0, :4] = 0.35, 0.0
    assert best_paths(row, unsure)[0].text == "9"
    assert best_paths(row, sure)[0].text == "4"


def test_readings_have_distinct_texts() -> None:
    spans = [span(1, 0, 1), span(2, 1, 2, left=40)]
    paths = best_paths(Row(spans, whole(spans), HEIGHT), answers((4, 0.6), (2, 0.9)))
    assert len({path.text for path in paths}) == len(paths) > 1
    assert [path.score for path in paths] == sorted((path.score for path in paths), reverse=True)


def test_one_uncertain_digit_makes_the_number_uncertain() -> None:
    spans = [span(1, 0, 1), span(2, 1, 2, left=40)]
    row = Row(spans, whole(spans), HEIGHT)
    sure, doubtful = (read_number([row], answers((4, 0.9999), (2, share))) for share in (0.9999, 0.7))
    assert doubtful.score < sure.score
    assert (sure.certain, doubtful.certain) == (True, False)


def test_unlikely_digits_are_not_a_number() -> None:
    spans = [span(1, 0, 1), span(2, 1, 2, left=40)]
    number = read_number([Row(spans, whole(spans), HEIGHT)], answers((4, 0.6), (2, 0.6)))
    assert (number.lines, number.digits) == ([], [])
    assert number.skipped == [one.piece.box for one in spans]


@pytest.mark.parametrize(
    ("single", "lines", "certain"),
    [
        (None, ["4"], True),
        (answers((4, 0.999))[0], ["4"], True),
        (answers((4, 0.95))[0], ["4"], False),
        (answers((4, 0.2))[0], [], False),
        (answers((7, 0.999))[0], [], False),
        (np.zeros(10, np.float32), [], False),
    ],
)
def test_one_digit_has_to_be_so_of_the_whole_picture(
    single: Probabilities | None, lines: list[str], certain: bool
) -> None:
    row = Row([span(1, 0, 1)], whole([span(1, 0, 1)]), HEIGHT)
    number = read_number([row], answers((4, 0.9999)), single)
    assert (number.lines, number.certain) == (lines, certain)
    assert read_number([row, row], answers((4, 0.9999)), single).lines == ["4", "4"]


def test_a_digit_in_a_word_of_letters_is_skipped() -> None:
    lefts = 0, 35, 70, 140, 175, 210
    spans = [span(place + 1, place, place + 1, left=left) for place, left in enumerate(lefts)]
    number = read_number(
        [Row(spans, whole(spans), HEIGHT)],
        answers((0, 0.999), (3, 0.15), (3, 0.15), (4, 0.999), (7, 0.999), (2, 0.999)),
    )
    assert number.lines == ["472"]
    assert number.skipped == [one.piece.box for one in spans[:3]]
    assert not number.certain


@pytest.mark.parametrize(("height", "certain"), [(40, True), (44, True), (48, False)])
def test_a_1_that_stands_out_may_be_a_slash(height: int, certain: bool) -> None:
    slash = span(2, 1, 2, left=40, width=15, height=height)
    spans = [span(1, 0, 1), slash, span(3, 2, 3, left=70)]
    number = read_number([Row(spans, whole(spans), HEIGHT)], answers((4, 0.9999), (1, 0.9999), (2, 0.9999)))
    assert (number.lines, number.certain) == (["412"], certain)


@pytest.mark.parametrize(("top", "height", "number"), [(-8, 56, "47"), (-8, 46, "417"), (0, 50, "417"), (0, 40, "417")])
def test_a_1_that_begins_above_and_ends_below_the_digits_around_it_is_skipped(
    top: int, height: int, number: str
) -> None:
    slash = Span(Piece(2, Box(40, top, 15, height), 300.0), 1, 2)
    spans = [span(1, 0, 1), slash, span(3, 2, 3, left=70)]
    row = Row(spans, whole(spans), HEIGHT)
    read = read_number([row], answers((4, 0.9999), (1, 0.9999), (7, 0.9999)))
    assert read.lines == [number]
    assert read.skipped == ([slash.piece.box] if number == "47" else [])
