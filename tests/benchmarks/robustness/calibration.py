"""How well the confidence is to be trusted."""

from collections.abc import Mapping

import numpy as np

from tests.benchmarks.robustness.marks import counted
from tests.benchmarks.robustness.measure import Tally
from tests.benchmarks.robustness.reader import Reader
from tests.benchmarks.robustness.sources import MNIST
from training.evaluate import expected_calibration_error


def calibrations(
    tallies: Mapping[str, Tally], reader: Reader, images: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Return the expected calibration error on MNIST's arrays, and on the pictures of the conditions that count.

    A picture that was refused has no confidence, and is left out. Each is there only if its pictures were run.
    """
    found = {}
    if MNIST in tallies:
        predicted = reader.engine.run(np.ascontiguousarray(images))
        found["MNIST"] = expected_calibration_error(predicted.max(axis=1), predicted.argmax(axis=1) == labels)
    run = [tallies[cell.name] for cell, _ in counted(tallies)]
    answers = [pair for tally in run for pair in zip(tally.answers, tally.labels, strict=True)]
    read = [(answer.confidence, answer.digit == label) for answer, label in answers if not answer.code]
    if read:
        confidence, right = (np.array(column) for column in zip(*read, strict=True))
        found["generated"] = expected_calibration_error(confidence, right)
    return found
