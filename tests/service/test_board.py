"""The shared numbers: named, summed over rows, seen by other processes, live ones taken back."""

import os

import pytest

from service.board import _CELLS, _KEY_BYTES, Board


def test_rows_are_summed() -> None:
    board = Board(3)
    for number, amount in enumerate((1.0, 2.5)):
        row = board.row(number)
        row.values[row.cell("requests", "/predict")] += amount
    assert board.totals() == {("requests", "/predict"): 3.5}
    assert len(board) == 3


def test_a_name_has_one_cell() -> None:
    row = Board(1).row(0)
    assert row.cell("a", "b") == row.cell("a", "b")
    assert len({row.cell("a", "b"), row.cell("ab"), row.cell("a"), row.cell("a", "")}) == 4


def test_who_comes_later_goes_on_with_what_stands_in_the_row() -> None:
    board = Board(1)
    for _ in range(2):
        row = board.row(0)
        row.values[row.cell("starts")] += 1
    assert board.totals() == {("starts",): 2}


def test_only_what_is_live_is_taken_back() -> None:
    row = Board(1).row(0)
    for key, live in (("counter", False), ("gauge", True)):
        row.values[row.cell(key, live=live)] = 7
    row.retire()
    assert dict(row.items()) == {("counter",): 7, ("gauge",): 0}


def test_a_child_counts_where_its_parent_reads() -> None:
    board = Board(2)
    child = os.fork()
    if child == 0:
        row = board.row(1)
        row.values[row.cell("forked")] = 5
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert board.totals() == {("forked",): 5}


@pytest.mark.parametrize("key", ["x" * _KEY_BYTES, "é" * (_KEY_BYTES // 2)])
def test_a_name_that_is_too_long_is_counted_nowhere(key: str) -> None:
    row = Board(1).row(0)
    row.values[row.cell(key)] += 1
    assert list(row.items()) == []


def test_a_full_row_keeps_what_it_has() -> None:
    board = Board(2)
    row = board.row(0)
    for number in range(_CELLS + 10):
        row.values[row.cell(str(number))] += 1
    totals = board.totals()
    assert _CELLS - 10 < len(totals) < _CELLS
    assert set(totals.values()) == {1}
