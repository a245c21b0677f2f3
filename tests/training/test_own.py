"""Own digits through the pipeline: learnt from the newest version, evaluated, with MNIST's accuracy kept."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.contract import FLOAT32_FILE, MODEL_NAME, Manifest
from service.inference.engine import Engine
from tests.training import drawn
from tests.training.running import interrupted, options
from training import pipeline, recipes
from training.__main__ import main
from training.data import published
from training.data.mnist import Mnist
from training.data.own import review
from training.data.own.digits import Own, Share
from training.data.own.entries import Rejected
from training.data.published import Published
from training.errors import RunError, TrainingError, VerificationError
from training.files import locked
from training.fitting.run import Run
from training.model.read_back import read_back
from training.recipe import Recipe, with_network_of
from training.release import calibrate, evaluate, verify
from training.release import own as judging

pytestmark = pytest.mark.usefixtures("precision_policy")

FINE_TUNE = replace(
    recipes.find("fine-tune"), batch_size=50, learning_rate=2e-3, epochs=10, own_share=0.3, accuracy_floor=0.5
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, data: Mnist) -> Path:
    """A models directory with a version trained on the drawn digits."""
    directory = tmp_path_factory.mktemp("before")
    pipeline.run(drawn.RECIPE, data, options(directory))
    return directory / "models"


@pytest.fixture(scope="module")
def before(models: Path) -> Published:
    found = published.newest(models / MODEL_NAME)
    assert found
    return found


def hand(count: int, *, seed: int) -> Share:
    """Return ones of a hand that writes them like an A, a form in no other data."""
    random = np.random.default_rng(seed)
    images = np.stack([drawn._draw("A", random) for _ in range(count)])
    return Share(images, np.ones(count, np.uint8), [f"{seed}/{number}.png" for number in range(count)])


@pytest.fixture(scope="module")
def own(before: Published) -> Own:
    return Own(hand(60, seed=1), hand(40, seed=2), [], {}, [], "some digits", before=before)


@pytest.fixture
def here(tmp_path: Path, models: Path) -> Path:
    """A copy of the models directory to publish into."""
    (tmp_path / "models" / MODEL_NAME).mkdir(parents=True)
    (tmp_path / "models" / MODEL_NAME / "1").symlink_to(models / MODEL_NAME / "1")
    return tmp_path


def tuned(recipe: Recipe, before: Published) -> Recipe:
    return with_network_of(recipe, before.manifest.recipe)


@pytest.mark.parametrize("which", ["drawn", "published"])
def test_a_graph_that_is_read_back_gives_the_same_answers(before: Published, data: Mnist, which: str) -> None:
    found = before if which == "drawn" else published.newest(Path("models") / MODEL_NAME)
    assert found
    model = read_back(found.graph, tuned(FINE_TUNE, found))
    answers = evaluate.probabilities(calibrate.logits(model, data.test_images), found.manifest.metrics["temperature"])
    np.testing.assert_allclose(answers, found.engine.run(data.test_images), atol=verify.MOST_DIFFERENCE)


def test_the_newest_complete_version_is_used(here: Path) -> None:
    (here / "models" / MODEL_NAME / "2").mkdir()
    found = published.newest(here / "models" / MODEL_NAME)
    assert found
    assert found.manifest.version == "1"
    assert published.newest(here / "nowhere") is None


@pytest.mark.parametrize("other", [{"members": 3}, {"convolutions": [8]}, {"output_activation": "tanh"}])
def test_another_network_cannot_be_read_back(before: Published, other: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="cannot be read back"):
        with_network_of(FINE_TUNE, {**before.manifest.recipe, **other})


def test_a_graph_of_another_size_is_reported(before: Published) -> None:
    with pytest.raises(TrainingError, match="cannot be read back"):
        read_back(before.graph, replace(FINE_TUNE, hidden=(64, 33)))


def test_fine_tuning_learns_the_hand_and_keeps_mnist(
    here: Path, data: Mnist, own: Own, before: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    number = pipeline.run(tuned(FINE_TUNE, before), replace(data, own=own), options(here, epochs=10, force=True))
    assert number == "2"
    version = here / "models" / MODEL_NAME / "2"
    manifest = Manifest.read(version)
    found = manifest.metrics["own"]
    assert (found["learnt"], found["held_out"], found["before"]) == (60, 40, "1")
    assert found["own_held_out"]["before"] > 30 > 10 >= found["own_held_out"]["after"]
    served = Engine.open(manifest.read_file(version, FLOAT32_FILE))
    assert np.sum(served.run(own.held_out.images).argmax(axis=1) != 1) == found["own_held_out"]["after"]
    assert found["validation"]["after"] == manifest.metrics["validation"]["errors"]
    assert found["validation"]["after"] <= found["validation"]["before"] + 6
    assert manifest.data["sha256"]["own"] == own.sha256
    card = (version / "README.md").read_text(encoding="utf-8")
    assert "### Own digits" in card
    assert (
        f"| own digits, held out: nobody learnt them | 40 | {judging.right(found['own_held_out']['before'], 40)}"
        in card
    )
    assert "the weights of the version before" in card
    assert "learnt what the version before answers, at the temperature 4" in card
    assert "- Mixed in: 30% of each batch are the user's own digits." in card
    assert "It was trained from version 1, whose\ncard says on what" in card
    assert "own digits, held out: before" in capsys.readouterr().out


def test_the_gate_stops_publication_unless_forced(here: Path, data: Mnist, before: Published) -> None:
    wrong = Share(data.train_images[:300], (data.train_labels[:300] + 1) % 10, [str(number) for number in range(300)])
    poison = Own(wrong, hand(5, seed=3), [], {}, [], "poison", before=before)
    recipe = tuned(replace(FINE_TUNE, own_share=0.8, accuracy_floor=0.0), before)
    told = options(here, epochs=3)
    with pytest.raises(VerificationError, match=r"cost MNIST .* points: .* --force"):
        pipeline.run(recipe, replace(data, own=poison), told)
    assert not (here / "models" / MODEL_NAME / "2").exists()
    with pytest.raises(VerificationError):  # such a run may start again without a message
        pipeline.run(recipe, replace(data, own=poison), told)
    resumed = replace(told, resume=True, force=True)
    assert pipeline.run(recipe, replace(data, own=poison), resumed) == "2"


def test_other_own_digits_are_another_run(here: Path, data: Mnist, own: Own, before: Published) -> None:
    recipe = tuned(FINE_TUNE, before)
    with interrupted(after=1):
        pipeline.run(recipe, replace(data, own=own), options(here, epochs=2))
    other = replace(own, sha256="other digits")
    with pytest.raises(RunError, match="another data"):
        pipeline.run(recipe, replace(data, own=other), options(here, epochs=2, resume=True))


def test_any_recipe_learns_own_digits_without_a_previous_version_and_lists_the_rejected(
    tmp_path: Path, data: Mnist, own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected = [Rejected(f"{number}.png", "it is blank") for number in range(12)]
    recipe = replace(drawn.RECIPE, own_share=0.2, epochs=3)
    mine = replace(own, before=None, rejected=rejected, notes=["a note"])
    number = pipeline.run(recipe, replace(data, own=mine), options(tmp_path, epochs=3))
    found = Manifest.read(tmp_path / "models" / MODEL_NAME / str(number)).metrics["own"]
    assert "before" not in found
    assert found["own_held_out"]["after"] < 10
    said = capsys.readouterr().out
    assert said.count("it is blank") == 10
    assert "[own      ] 60 learnt, 40 held out, 12 rejected" in said
    assert "a note" in said
    assert len((tmp_path / "run" / "rejected.txt").read_text().splitlines()) == 12


def test_two_trainings_do_not_share_a_run_directory(tmp_path: Path, data: Mnist) -> None:
    holder = f"from training.files import locked\nwith locked(__import__('pathlib').Path({str(tmp_path / 'run')!r})):\n"
    holder += "    print('held', flush=True)\n    input()\n"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(RunError, match="--run-dir"):
            pipeline.run(drawn.RECIPE, data, options(tmp_path))
        assert not Run.is_in(tmp_path / "run")
        process.communicate(b"\n")
    with locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize(
    ("errors", "count", "low", "high"), [(0, 100, 0.963, 1.0), (50, 100, 0.404, 0.596), (0, 0, 0.0, 1.0)]
)
def test_intervals_are_wilsons(errors: int, count: int, low: float, high: float) -> None:
    assert judging.interval(errors, count) == pytest.approx((low, high), abs=1e-3)


def test_the_sheet_shows_what_contradicts_a_certain_answer(tmp_path: Path, data: Mnist, before: Published) -> None:
    confidence = before.engine.run(data.train_images[:200])
    certain = np.flatnonzero(confidence.max(axis=1) >= before.manifest.certain_from)[:20]
    images, read = data.train_images[certain], confidence[certain].argmax(axis=1).astype(np.uint8)
    labels = read.copy()
    labels[:3] = (labels[:3] + 1) % 10
    share = Share(images, labels, [f"/somewhere/{number}.png" for number in range(len(images))])
    doubted = Own(share, hand(0 + 1, seed=4), [], {}, [], "")
    honest = Own(Share(images, read, share.sources), Share(images[:0], read[:0], ()), [], {}, [], "")
    assert review.write(tmp_path / "sheet.png", honest, before) == 0
    assert not (tmp_path / "sheet.png").exists()
    count = review.write(tmp_path / "sheet.png", doubted, before)
    assert count in (3, 4)  # the one of the hand may be read as certain too
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > count * 100


def in_a_folder(directory: Path, share: Share) -> Path:
    for number, (image, label) in enumerate(zip(share.images, share.labels, strict=True)):
        place = directory / str(label) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).save(place)
    return directory


def test_the_command_reviews(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = in_a_folder(tmp_path / "hand", hand(20, seed=5))
    sheet = tmp_path / "sheet.png"
    arguments = ["--extra", str(source), "--review", str(sheet), "--models", str(models)]
    assert main(arguments) == 0
    count = int(capsys.readouterr().out.split()[2])
    assert sheet.exists() == (count > 0)
    assert main(["--review", str(sheet), "--models", str(models)]) == 1
    assert "--extra" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--recipe", "fine-tune"], "--extra"), (["--extra", "/nowhere", "--review", "sheet.png"], "published version")],
)
def test_missing_files_are_reported_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([*arguments, "--models", str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
