import numpy as np
import pytest

from training.data.targets import NO_DIGIT, like, targets


def test_targets_of_digits_are_sure_and_of_others_level() -> None:
    found = targets(np.array([3, NO_DIGIT], np.uint8))
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [pytest.approx(0.1)] * 10]


def test_targets_of_letters_like_a_digit_lean_to_it() -> None:
    labels = [like(digit) for digit in range(10)]
    found = targets(np.array(labels, np.uint8))
    assert found.argmax(axis=1).tolist() == list(range(10))
    assert found.max(axis=1).tolist() == [pytest.approx(0.46)] * 10
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert len({*range(NO_DIGIT + 1), *labels}) == 21
