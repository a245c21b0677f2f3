import errno
import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.contract import MODEL_NAME, Manifest
from service.inference import engine
from service.settings import Settings
from tests import door
from training import recipes
from training.__main__ import main
from training.data import mnist

ROOT = Path(__file__).parents[2]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_help_lists_options_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    for option in ("data", "recipe", "epochs", "seed", "device", "mixed-precision", "models", "run-dir", "resume"):
        assert f"--{option}" in printed
    assert all(name in printed for name in recipes.RECIPES)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("--epochs", value) for value in ("0", "-1", "many", "1.5")],
        *[("--seed", value) for value in ("-1", str(1 << 30), "x")],
        ("--device", "tpu"),
    ],
)
def test_a_bad_option_is_named(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option, value])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in last
    assert value in last
    assert "_" not in last, "names of functions are no words for users"


def test_the_error_for_an_unknown_recipe_lists_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "best"]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "'best'" in line
    assert all(name in line for name in recipes.RECIPES)


@pytest.mark.parametrize(
    ("recipe", "option"),
    [("smoke", "--teacher"), ("smoke", "--start"), ("fine-tune", "--teacher"), ("dmlp-distilled", "--start")],
)
def test_an_option_that_the_recipe_has_no_use_for_is_rejected(
    capsys: pytest.CaptureFixture[str], recipe: str, option: str
) -> None:
    assert main(["--recipe", recipe, option, "runs/before", "--extra", "digits"]) == 1
    assert capsys.readouterr().err.endswith(f": leave {option} out.\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/a"),
            "runs/a: No space left on device: free some space.",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied: give a place that can be"),
    ],
    ids=["full", "closed"],
)
def test_an_error_of_the_system_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    def fail(_directory: Path) -> None:
        raise error

    monkeypatch.setattr(mnist, "load", fail)
    assert main(["--recipe", "smoke"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"training: {words}")
    assert line.endswith("Nothing was published; --resume continues from the last complete epoch.")


def test_missing_packages_are_one_line() -> None:
    command = [sys.executable, "-S", "-m", "training"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "`make train` installs it" in line


def test_missing_data_gets_one_line_before_tensorflow_starts(tmp_path: Path) -> None:
    result = run("--data", tmp_path / "nowhere")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"training: {tmp_path / 'nowhere'} is not a directory")
    assert result.stderr.count("\n") == 1


@pytest.mark.tensorflow
def test_offline_without_data_gets_one_line(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"  # no proxy listens there: the same as no network
    result = run(KERAS_HOME=str(tmp_path), https_proxy=closed, HTTPS_PROXY=closed, no_proxy="", NO_PROXY="")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("training: Keras could not download MNIST (URL fetch failure")
    assert result.stderr.splitlines()[-1].endswith("give --data a directory with the four IDX files.")


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_interrupted_resumed_published_and_served(tmp_path: Path, mnist_dir: Path) -> None:
    """A user's steps on the real MNIST, from the command to an answer over HTTP."""
    arguments = ["--recipe", "smoke", "--epochs", "2", "--data", mnist_dir]
    arguments += ["--models", tmp_path / "models", "--run-dir", tmp_path / "run", "--device", "cpu"]
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None and not (tmp_path / "run" / "checkpoint.npz").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("training: interrupted; --resume")
    assert list((tmp_path / "models" / MODEL_NAME).iterdir()) == []

    result = run(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert "epoch 2 of 2" in result.stdout
    assert "epoch 1 of 2" not in result.stdout, "the first epoch is not trained again"
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [entry["epoch"] for entry in history] == [1, 2]

    version = tmp_path / "models" / MODEL_NAME / "1"
    served = engine.open_version(version, Manifest.read(version), provider="cpu")
    data = mnist.load(mnist_dir)
    assert np.mean(served.run(data.test_images).argmax(axis=1) == data.test_labels) > 0.95

    client = door.client_for(Settings(models_dir=tmp_path / "models", provider="cpu"))
    right = 0
    for image, label in zip(data.test_images[:50], data.test_labels[:50], strict=True):
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        response = client.post("/predict", data=buffer.getvalue(), content_type="image/png")
        assert response.status_code == 200
        right += response.get_json()["digit"] == label
    assert right >= 45
