import math

import numpy as np
import pytest
from scipy.special import softmax

from training.release import evaluate

LABELS = np.array([0, 1, 2, 2], np.uint8)


def answers(*rows: tuple[int, float]) -> evaluate.Floats:
    """Return a row for each (digit, confidence), the rest distributed evenly."""
    found = np.empty((len(rows), 10))
    for row, (digit, confidence) in zip(found, rows, strict=True):
        row[:] = (1 - confidence) / 9
        row[digit] = confidence
    return found


# right, right, right, wrong (a 2 read as 7)
PREDICTED = answers((0, 0.91), (1, 0.82), (2, 0.55), (7, 0.64))


def test_metrics_of_four_answers() -> None:
    found = evaluate.evaluate(PREDICTED, LABELS, certain=0.6)
    assert (found.count, found.errors, found.error_percent) == (4, 1, 25.0)
    likelihood = -(math.log(0.91) + math.log(0.82) + math.log(0.55) + math.log(0.04)) / 4
    assert found.negative_log_likelihood == pytest.approx(likelihood)
    assert (found.certain_share, found.errors_while_certain) == (0.75, 1)
    confusion = np.array(found.confusion)  # the truth in rows
    assert (confusion.shape, confusion.sum()) == ((10, 10), 4)
    assert (confusion[0, 0], confusion[1, 1], confusion[2, 2], confusion[2, 7]) == (1, 1, 1, 1)
    # each answer has a bin of width 1/15 to itself
    assert found.expected_calibration_error == pytest.approx((0.09 + 0.18 + 0.45 + 0.64) / 4)


def test_certain_includes_the_threshold() -> None:
    found = evaluate.evaluate(PREDICTED, LABELS, certain=0.82)
    assert (found.certain_share, found.errors_while_certain) == (0.5, 0)


def test_a_probability_of_zero_for_the_truth_stays_finite() -> None:
    found = evaluate.evaluate(answers((3, 1.0)), np.array([4], np.uint8), certain=0.5)
    assert math.isfinite(found.negative_log_likelihood)
    assert found.negative_log_likelihood > 80


def test_calibration_error_weighs_bins_by_their_size() -> None:
    # bin 0.933 to 1: three at 0.95, two of them right; bin 0.467 to 0.533: one at 0.5, right; 1.0 is in the last bin
    confidence = np.array([0.95, 0.95, 0.95, 0.5])
    right = np.array([True, True, False, True])
    assert evaluate.expected_calibration_error(confidence, right) == pytest.approx((3 * (0.95 - 2 / 3) + 0.5) / 4)
    assert evaluate.expected_calibration_error(np.ones(3), np.ones(3, bool)) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(6)
    calibrated = random.normal(0, 2, (20_000, 10))
    drawn = [random.choice(10, p=row) for row in softmax(calibrated, axis=1)]
    logits = calibrated * temperature
    labels = np.array(drawn, np.uint8)
    found = evaluate.fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)

    def loss(value: float) -> float:
        predicted = evaluate.probabilities(logits, value)
        return evaluate.evaluate(predicted, labels, certain=0.5).negative_log_likelihood

    assert loss(found) <= min(loss(0.98 * found), loss(1.02 * found))


def test_probabilities_are_a_softmax_at_that_temperature() -> None:
    logits = np.array([[0.0, 2.0, 4.0]])
    expected = np.array([1, math.e, math.e**2]) / (1 + math.e + math.e**2)
    np.testing.assert_allclose(evaluate.probabilities(logits, 2.0), expected[None])


def test_99_in_100_answers_are_certain() -> None:
    confidence = np.linspace(0.2, 1, 1_001)
    threshold = evaluate.certain_from(answers(*((3, value) for value in confidence)))
    assert np.mean(confidence >= threshold) == pytest.approx(0.99, abs=0.001)
