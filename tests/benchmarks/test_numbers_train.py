"""What the network that reads pieces of lines learns from, and that the service computes what was learnt."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.numbers import lines
from benchmarks.numbers.lines import Text, texts
from service.preprocessing.numbers import sequence
from service.preprocessing.numbers.sequence import ROWS
from training.synthesis import outliers

SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[4:8, 6:22] = SEVEN[4:24, 18:22] = 255


def test_a_piece_has_as_many_digits_as_it_is_wide() -> None:
    found = list(islice(texts(SEVEN[np.newaxis], np.array([7], np.uint8), 0, others=(0,)), 150))
    assert {digit for text in found for digit in text.digits} == {7}
    assert len({len(text.digits) for text in found}) >= 4
    assert {text.strip.shape[0] for text in found} == {ROWS}
    widths = np.array([np.ptp(np.flatnonzero(text.strip.max(axis=0) > 127)) + 1 for text in found])
    said = np.array([len(text.digits) for text in found])
    counts = np.unique(said)
    usual = [widths[said == count].mean() for count in counts]  # each digit is stretched
    assert 10 < np.polyfit(counts, usual, 1)[0] < 20
    assert np.corrcoef(counts, usual)[0, 1] > 0.95


def test_letters_and_doodles_say_nothing() -> None:
    digits = SEVEN[np.newaxis], np.array([7], np.uint8)
    assert {text.digits for text in islice(texts(*digits, 0, others=(1,)), 20)} == {()}
    said = {text.digits for text in islice(texts(*digits, 0, others=(0.5,)), 60)}
    assert {(), (7,), (7, 7)} <= said


def test_the_ring_around_a_face_is_not_learnt_as_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "doodle", outliers.face)
    monkeypatch.setattr(lines, "_DOODLES", 1)
    monkeypatch.setattr(lines, "_LONGEST", 1)
    alone = texts(SEVEN[np.newaxis], np.array([7], np.uint8), 0, others=(0.5,))
    assert {text.digits for text in islice(alone, 40)} == {(7,)}


@pytest.mark.tensorflow
def test_the_service_computes_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pytest.importorskip("benchmarks.numbers.train")
    rng = np.random.default_rng(0)
    strips = [rng.integers(0, 256, (ROWS, 40), np.uint8) for _ in range(100)]  # each width is traced for seconds
    network = train.trained([Text(strip, said) for strip, said in zip(strips, 50 * [(1, 2), ()], strict=True)], 15, 0)
    (tmp_path / "sequence.onnx").write_bytes(train.to_onnx(network))
    monkeypatch.setattr(sequence, "FILE", tmp_path / "sequence.onnx")
    sequence._session.cache_clear()
    ink = strips[0] / np.float32(255)
    logits = network(ink[np.newaxis, ..., np.newaxis]).numpy()[0]
    wanted = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    assert np.allclose(sequence.read_strip(ink), wanted, atol=0.01)
    assert wanted.std() > 0.01
    sequence._session.cache_clear()
