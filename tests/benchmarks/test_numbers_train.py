"""What the network that reads pieces of lines learns from, and that the service computes what was learnt."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.numbers.lines import Text, texts
from service.preprocessing.numbers import sequence
from service.preprocessing.numbers.sequence import ROWS

SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[4:8, 6:22] = SEVEN[4:24, 18:22] = 255


def test_a_piece_has_as_many_digits_as_it_is_wide() -> None:
    found = list(islice(texts(SEVEN[np.newaxis], np.array([7], np.uint8), 0), 60))
    assert {digit for text in found for digit in text.digits} == {7}
    assert len({len(text.digits) for text in found}) >= 4
    assert {text.strip.shape[0] for text in found} == {ROWS}
    widths = [np.ptp(np.flatnonzero(text.strip.max(axis=0) > 127)) + 1 for text in found]
    counts = [len(text.digits) for text in found]
    assert 10 < np.polyfit(counts, widths, 1)[0] < 20
    assert np.corrcoef(counts, widths)[0, 1] > 0.9


@pytest.mark.tensorflow
def test_the_service_computes_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pytest.importorskip("benchmarks.numbers.train")
    rng = np.random.default_rng(0)
    strips = rng.integers(0, 256, (100, ROWS, 40), np.uint8)
    network = train.trained([Text(strip, (1, 2)) for strip in strips], 15, 0)
    (tmp_path / "sequence.onnx").write_bytes(train.to_onnx(network))
    monkeypatch.setattr(sequence, "FILE", tmp_path / "sequence.onnx")
    sequence._session.cache_clear()
    ink = strips[0] / np.float32(255)
    logits = network(ink[np.newaxis, ..., np.newaxis]).numpy()[0]
    wanted = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    assert np.allclose(sequence.read_strip(ink), wanted, atol=0.01)
    assert wanted.std() > 0.01
    sequence._session.cache_clear()
