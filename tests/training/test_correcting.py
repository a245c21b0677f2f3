"""The whole loop without containers: a hand is misread, corrected, learnt by fine-tuning, and served."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from werkzeug.test import Client

from benchmarks.own_digits.writers import WRITERS, png
from service.contract import MODEL_NAME, Manifest
from service.settings import Settings
from tests import door
from training.__main__ import main

ROOT = Path(__file__).parents[2]
HAND = WRITERS[2]


def errors(client: Client, pictures: list[tuple[bytes, int]]) -> int:
    answers = [client.post("/predict", data=picture, content_type="image/png").get_json() for picture, _ in pictures]
    return sum(answer["digit"] != digit for answer, (_, digit) in zip(answers, pictures, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_corrections_are_learnt(tmp_path: Path, mnist_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models, corrections = tmp_path / "models", tmp_path / "corrections"
    shutil.copytree(ROOT / "models", models)
    newest = max(int(path.name) for path in (models / MODEL_NAME).iterdir() if path.name.isdecimal())
    settings = Settings(models_dir=models, provider="cpu", corrections_dir=corrections)
    random = np.random.default_rng(1)
    asked = [(png(HAND, digit, random), digit) for digit in (1, 7, 9) for _ in range(20)]
    client = door.client_for(settings)
    before = errors(client, asked)
    for digit in (1, 7, 9) * 20:
        picture = png(HAND, digit, random)
        assert client.post(f"/corrections?digit={digit}", data=picture, content_type="image/png").status_code == 201
    arguments = ["--recipe", "fine-tune", "--extra", corrections, "--data", mnist_dir, "--device", "cpu"]
    arguments += ["--models", models, "--run-dir", tmp_path / "run"]
    assert main(list(map(str, arguments))) == 0
    assert "suspect" in capsys.readouterr().out
    manifest = Manifest.read(models / MODEL_NAME / str(newest + 1))
    assert manifest.metrics["own"]["learnt"] + manifest.metrics["own"]["held_out"] == 60
    after = errors(door.client_for(settings), asked)
    assert before > 30 > 10 > after
