import numpy as np
import pytest

from training.data.targets import NO_DIGIT, targets


def test_targets_of_digits_are_sure_and_of_others_level() -> None:
    found = targets(np.array([3, NO_DIGIT], np.uint8))
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [pytest.approx(0.1)] * 10]
