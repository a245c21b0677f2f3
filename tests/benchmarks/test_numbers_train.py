"""What the network that judges parts of lines learns from."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.numbers.lines import Truth, lines
from service.preprocessing.numbers import whole
from service.preprocessing.numbers.whole import VIEW

SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[4:8, 6:22] = SEVEN[4:24, 18:22] = 255


def test_whole_digits_have_their_label_and_most_parts_none() -> None:
    found = list(islice(lines(SEVEN[np.newaxis], np.array([7], np.uint8), 0), 30))
    shares = np.concatenate([one.shares for one in found])
    assert np.allclose(shares.sum(axis=1), 1)
    assert not shares[:, [0, 1, 2, 3, 4, 5, 6, 8, 9]].any()
    assert (shares[:, 7] > 0.99).sum() >= 30
    views = np.concatenate([one.views for one in found])[shares[:, 7] > 0.99]
    assert np.median([np.ptp(np.nonzero(view[0])[0]) + 1 for view in views]) in range(13, 20)


@pytest.mark.tensorflow
def test_the_service_computes_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pytest.importorskip("benchmarks.numbers.train")
    rng = np.random.default_rng(0)
    views = rng.random((300, 2, *VIEW)).astype(np.float16)
    network = train.trained(Truth(views, np.eye(11, dtype=np.float32)[rng.integers(0, 11, 300)]), 1)
    train.write(network, tmp_path / "whole.bin")
    odds = network.predict(views.transpose(0, 2, 3, 1), verbose=0)
    wanted = odds - np.logaddexp.reduce(odds, axis=1, keepdims=True)
    monkeypatch.setattr(whole, "FILE", tmp_path / "whole.bin")
    whole._weights.cache_clear()
    assert np.allclose(whole.whole(views.astype(np.float32)), wanted[:, :10], atol=0.01)
    whole._weights.cache_clear()
