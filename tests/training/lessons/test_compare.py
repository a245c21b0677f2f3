import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training import drawn
from training import recipes
from training.__main__ import main
from training.data.mnist import Mnist
from training.errors import RunError, TrainingError
from training.files import locked
from training.fitting import fit
from training.fitting.run import Run
from training.lessons import compare, side_by_side

pytestmark = [pytest.mark.usefixtures("precision_policy"), pytest.mark.timeout(900)]  # seven trainings at first

NAMES = ("dmlp-relu", "dmlp-tanh-glorot", "dmlp-zeros")
RECIPES = [replace(recipes.find(name), hidden=(32, 16), batch_size=50) for name in NAMES]


def options(directory: Path, **changes: Any) -> compare.Options:
    given = compare.Options(epochs=2, seeds=2, device="cpu", directory=directory / "run", report=directory / "report")
    return replace(given, **changes)


@pytest.fixture(scope="module")
def blind() -> Mnist:
    """The drawn digits without a test set, so that a comparison cannot use it."""
    data = drawn.mnist()
    return replace(data, test_images=data.test_images[:0], test_labels=data.test_labels[:0])


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, blind: Mnist) -> Path:
    """The directory of a comparison that was interrupted in its third training and resumed."""
    directory = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "fit", CutOff(3))
        with pytest.raises(KeyboardInterrupt):
            compare.run(RECIPES, blind, options(directory))
    finished = {path: path.stat().st_mtime_ns for path in (directory / "run").glob("*.json")}
    assert sorted(path.name for path in finished) == ["dmlp-relu-seed1.json", "dmlp-tanh-glorot-seed1.json"]
    compare.run(RECIPES, blind, options(directory))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "what was finished is not trained again"
    return directory


class CutOff:
    """The module `fit` with Ctrl-C after the first epoch of the training with this number."""

    Run = Run

    def __init__(self, number: int) -> None:
        self._left = number

    def fit(self, *arguments: Any, epochs: int, **named: Any) -> fit.Fitted:
        self._left -= 1
        fitted = fit.fit(*arguments, epochs=epochs if self._left else 1, **named)
        if not self._left:
            raise KeyboardInterrupt
        return fitted


@pytest.fixture
def report(compared: Path) -> str:
    return (compared / "report" / "README.md").read_text(encoding="utf-8")


def records(compared: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((compared / "run").glob("*.json")):
        yield json.loads(path.read_text())


def test_each_recipe_and_seed_leaves_a_file_and_nothing_else(compared: Path) -> None:
    names = {".lock", *(f"{name}-seed{seed}.json" for name in NAMES for seed in (1, 2))}
    assert {path.name for path in (compared / "run").iterdir()} == names


def test_a_record_holds_the_measurements(compared: Path) -> None:
    for record in records(compared):
        assert [entry["epoch"] for entry in record["history"]] == [1, 2]
        assert np.shape(record["gradients"]) == (3, 3)
        assert [layer["layer"] for layer in record["end"]] == ["hidden_1", "hidden_2", "logits"]
        assert record["validation"] == 300
        assert record["weights"] > 784 * 32


def test_the_table_matches_the_records(compared: Path, report: str) -> None:
    found = [record for record in records(compared) if record["recipe"]["name"] == "dmlp-relu"]
    last = [100 * record["history"][-1]["val_accuracy"] for record in found]
    accuracy = f"{np.mean(last):.2f}% ({min(last):.2f} to {max(last):.2f})"
    assert f"| {found[0]['weights']:,} | {accuracy} |" in report
    assert "on the 300 validation digits" in report
    assert "seeds 1 to 2" in report
    (zeros,) = [line for line in report.splitlines() if line.startswith("| `dmlp-zeros`")]
    assert zeros.endswith("| 48 of 48 | 48 of 48 |"), "no unit of zero weights ever answers"
    tanh = next(line for line in report.splitlines() if line.startswith("| `dmlp-tanh-glorot`"))
    assert tanh.endswith("| - | - |")


def test_recipes_stand_in_the_comparisons_that_have_two_of_them(report: str) -> None:
    titles = re.findall("^## (.*)$", report, re.MULTILINE)
    assert titles == ["Initial weights under ReLU", "Others"]
    assert report.count("| `dmlp-relu` |") == 1
    assert report.count("| `dmlp-tanh-glorot` |") == 1


def test_every_plot_is_a_picture(compared: Path, report: str) -> None:
    named = re.findall(r"!\[[^]]*\]\(([^)]*)\)", report)
    assert len(named) == 4
    for name in named:
        with Image.open(compared / "report" / name) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.convert("L").getextrema()[0] < 128, "something is drawn"


def test_a_single_recipe_and_a_training_that_diverged_can_be_reported(tmp_path: Path, blind: Mnist) -> None:
    wild = replace(RECIPES[0], name="wild", optimizer="sgd", learning_rate=1e30)
    path = compare.run([wild], blind, options(tmp_path, epochs=1, seeds=1))
    assert "## Others" in path.read_text()
    assert "seed 1," in path.read_text()


@pytest.mark.parametrize(("changes", "named"), [({"epochs": 3}, "epochs"), ({"hidden": (32, 17)}, "recipe")])
def test_a_pool_made_differently_is_not_reused(
    compared: Path, blind: Mnist, changes: dict[str, Any], named: str
) -> None:
    recipe = replace(RECIPES[0], hidden=changes.get("hidden", RECIPES[0].hidden))
    with pytest.raises(RunError, match=f"another {named}: give another --run-dir"):
        compare.run([recipe], blind, options(compared, epochs=changes.get("epochs", 2)))


def test_summary_and_floor_do_not_identify_a_run(compared: Path, blind: Mnist) -> None:
    recipe = replace(RECIPES[0], summary="in other words", accuracy_floor=0.5)
    compare.run([recipe], blind, options(compared, report=compared / "other"))
    assert "in other words" in (compared / "other" / side_by_side.REPORT_FILE).read_text()


def test_records_older_than_a_recipe_field_are_reused(compared: Path, blind: Mnist) -> None:
    path = compared / "run" / "dmlp-relu-seed1.json"
    record = json.loads(path.read_text())
    del record["recipe"]["teachers"]
    record["recipe"]["convolutions"] = []  # a field that was lost since
    path.write_text(json.dumps(record))
    compare.run(RECIPES, blind, options(compared, report=compared / "older"))
    assert json.loads(path.read_text()) == record, "it is not trained again"


def test_a_recipe_that_has_a_teacher_is_not_compared(tmp_path: Path, blind: Mnist) -> None:
    with pytest.raises(TrainingError, match="leave it out, or train it by itself with --recipe dmlp-distilled"):
        compare.run([*RECIPES, recipes.find("dmlp-distilled")], blind, options(tmp_path))


def test_another_readme_is_not_overwritten(tmp_path: Path, blind: Mnist) -> None:
    (tmp_path / "README.md").write_text("# Mine")
    with pytest.raises(RunError, match="no report of a comparison: give another directory with --report"):
        compare.run(RECIPES, blind, options(tmp_path, report=tmp_path))


def test_two_comparisons_do_not_share_a_directory(tmp_path: Path, blind: Mnist) -> None:
    with locked(tmp_path / "run"), pytest.raises(RunError, match="Another training is using"):
        compare.run(RECIPES, blind, options(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_record_is_reported(tmp_path: Path, blind: Mnist, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "dmlp-relu-seed1.json").write_bytes(content)
    with pytest.raises(RunError, match=r"dmlp-relu-seed1\.json cannot be read .*: delete it"):
        compare.run(RECIPES, blind, options(tmp_path))


@pytest.mark.parametrize("arguments", [[], ["dmlp-relu", "--epochs", "0"], ["dmlp-relu", "--seeds", "none"]])
def test_a_bad_command_is_explained(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compare", *arguments])
    assert caught.value.code == 2
    assert "python -m training compare" in capsys.readouterr().err


def test_an_interrupted_command_says_how_to_resume(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.data.mnist.load", lambda _directory: drawn.mnist())
    monkeypatch.setattr(compare, "run", interrupted)
    assert main(["compare", "dmlp-relu", "--run-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\ntraining: interrupted; the same command goes on with what is not finished.\n"
