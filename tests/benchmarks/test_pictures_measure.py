"""The measurement of drawn pictures: the reader, the report, the marks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pictures import marks, measure, plan, report, sheets
from benchmarks.pictures.__main__ import measured, parser
from benchmarks.pictures.cells import BASE
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.look import picture_of
from benchmarks.pictures.measure import NO_DIGIT, Batch, Shares, Tally
from benchmarks.pictures.nondigits import Wanted, non_digits
from benchmarks.pictures.reader import Answer, Reader
from benchmarks.pictures.sources import REAL_WORLD, sources
from tests import factory
from tests.benchmarks.test_pictures import digit, opened, random


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models directory with a model that knows printed digits."""
    factory.publish(tmp_path / "models", 1)
    return tmp_path / "models"


def test_reader_reads_a_digit_and_rejects_a_blank_page(models: Path) -> None:
    reader = Reader.open(models)
    answer, seen = reader.read(picture_of(BASE, digit("7"), random()))
    assert answer == reader.answer(seen, fitted=True)
    answer, seen = reader.read(non_digits()["blank: white"].make("white", random()))
    assert (answer.digit, answer.certain, answer.code, seen) == (-1, False, "no_digit", None)


@pytest.fixture
def batches() -> list[Batch]:
    return [
        Batch("plain/pen", [digit(str(number % 10)) for number in range(24)], [number % 10 for number in range(24)]),
        Batch("blank: white", ["white"] * 3, [NO_DIGIT] * 3),
        Batch("7 with a bar", ["7 with a bar"] * 2, [7] * 2),
    ]


def test_processes_share_the_work_and_change_nothing(models: Path, batches: list[Batch]) -> None:
    alone = measure.run(batches, models, seed=1, processes=1, keep=True)
    assert [len(tally.answers) for tally in alone.values()] == [24, 3, 2]
    assert alone["blank: white"].shares().refused == 1
    assert measure.run(batches, models, seed=1, processes=2, keep=True) == alone
    assert measure.run(batches[:1], models, seed=2, processes=1, keep=False)["plain/pen"] != alone["plain/pen"]


def test_sheets_show_what_went_wrong(models: Path, batches: list[Batch], tmp_path: Path) -> None:
    tallies = measure.run(batches, models, seed=1, processes=1, keep=True)
    wrong = [name for name, tally in tallies.items() if tally.examples]
    assert sheets.write(tallies, tmp_path / "sheets") == len(wrong) == len(list((tmp_path / "sheets").glob("*.png")))


def test_report_states_the_results(models: Path, batches: list[Batch]) -> None:
    tallies = measure.run(batches, models, seed=1, processes=1, keep=False)
    tallies["blur/1.0%"] = Tally([3] * 10, [Answer(3, 0.95, True)] * 9 + [Answer(5, 0.95, True)])
    tallies["blur/8.0%"] = Tally([3] * 10, [Answer(5, 0.95, True)] * 10)
    text = report.markdown(["heading"], marks.marks(tallies), tallies)
    assert "| plain | pen | 24 |" in text
    assert "| blank: white | 3 | 100.0% | 0.0% | 0.0% | 0.0% | all refused | pass |" in text
    below = text.partition("worst first")[2].partition("## ")[0]
    assert "| blur | 1.0% | 10 | 90.0% | 0.0% | 100.0% | 10.0% | FAIL |" in below
    assert "8.0%" not in below  # is shown only
    assert "| blur | 8.0% | 10 | 0.0% | 0.0% | 100.0% | 100.0% | shown |" in text


@pytest.mark.slow
def test_short_form_runs_everything(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.stack([digit(str(number % 10)) for number in range(40)])
    options = parser().parse_args(
        ["--data", ".", "--short", "--processes", "1", "--models", str(models), "--out", str(tmp_path / "out")]
    )
    assert measured(options, images, np.arange(40) % 10) == 1  # the model that knows printed digits misses some mark
    text = (tmp_path / "out" / "robustness.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == text.strip()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = {line[0]: line for line in lines} | {"/".join(line[:2]): line for line in lines}
    assert set(sources()) - set(rows) == {name for name in sources() if name.startswith(REAL_WORLD)}
    assert {cell.name for cell in cells() if rows[cell.name][-1] != "shown"} == {c.name for c in cells() if c.counted}
    assert rows["plain/pen"][3] == "100.0%"
    assert opened((tmp_path / "out" / "robustness.png").read_bytes()).width > 500


def test_public_data_sets_are_read_unchanged(tmp_path: Path) -> None:
    images = np.stack([digit(str(number)) for number in range(10)])
    for name in REAL_WORLD:
        np.savez(tmp_path / f"{name}.npz", x=images, y=np.arange(10), dup=np.arange(10) == 3)
    found = {batch.source: batch for batch in plan.real_world(tmp_path, lambda name: "semeion" in name)}
    assert [len(batch.items) for batch in found.values()] == [10, 9]
    content = sources()["semeion"](found["semeion"].items[4], random())
    assert np.array_equal(np.asarray(opened(content)), images[4])
    assert 3 not in found["semeion, no duplicates"].labels


def test_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    tally = Tally(
        [3, 3, 3, 3, 3], [*[Answer(3, 0.9, True)] * 3, Answer(5, 0.9, True), Answer(-1, 0, False, "no_digit")]
    )
    assert marks.calibration_error([tally]) == pytest.approx(0.15)
    assert marks.calibration_error([]) is None


def test_shares_count_what_was_answered() -> None:
    answers = [
        Answer(3, 0.9, True),
        Answer(4, 0.9, True),
        Answer(3, 0.4, False),
        Answer(-1, 0, False, "several_digits"),
    ]
    found = Tally([3, 3, 3, NO_DIGIT], answers).shares()
    assert found == Shares(count=4, right=0.75, refused=0.25, several=0.25, certain=0.5, misled=0.25)
    assert found.unsure == 0.5


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        (Wanted.NO_DIGIT, {"refused": 1.0}, {"refused": 0.99}),
        (Wanted.SEVERAL, {"refused": 1.0, "several": 0.99}, {"refused": 1.0, "several": 0.98}),
        (Wanted.DOUBT, {"certain": 0.2}, {"certain": 0.21}),
    ],
)
def test_marks_are_met_or_missed(wanted: Wanted, good: dict[str, float], bad: dict[str, float]) -> None:
    none = Shares(count=100, right=0, refused=0, several=0, certain=0, misled=0)
    assert marks.fulfils(wanted, replace(none, **good))
    assert not marks.fulfils(wanted, replace(none, **bad))


def test_only_named_conditions_are_planned() -> None:
    images, labels = np.stack([digit(str(number)) for number in range(10)]), np.arange(10)
    options = parser().parse_args(["--data", ".", "--only", "blur, blank: white, photo/mild", "--digits", "10"])
    names = [batch.source for batch in plan.batches(options, images, labels)]
    assert names == ["blur/1.0%", "blur/2.0%", "blur/3.5%", "blur/5.0%", "blur/8.0%", "photo/mild", "blank: white"]
