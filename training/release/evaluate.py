"""Metrics of predictions: errors, likelihood, calibration, confusion."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from service.contract import LABELS
from training.data.mnist import Bytes

Floats = npt.NDArray[np.floating[Any]]

_CALIBRATION_BINS = 15
_CERTAIN_SHARE = 0.99
_TEMPERATURES = (0.01, 1e4)  # classic recipes have outputs from 0 to 1, or logits in the thousands


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of predictions.

    `error_percent` is errors / count in percent; `negative_log_likelihood` is in nats an image;
    `expected_calibration_error` and the shares are fractions. `confusion[t][p]` counts digits `t` read as `p`.
    """

    count: int
    errors: int
    error_percent: float
    negative_log_likelihood: float
    expected_calibration_error: float
    certain_share: float
    errors_while_certain: int
    confusion: list[list[int]]


def fit_temperature(logits: Floats, labels: Bytes) -> float:
    """Return the temperature T that minimises the negative log-likelihood of softmax(logits / T).

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. `logits` is [N, 10], `labels` [N].
    """
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    best = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(best.x))


def probabilities(logits: Floats, temperature: float) -> Floats:
    """Return softmax(logits / temperature), [N, 10]."""
    calibrated: Floats = softmax(logits / temperature, axis=1)
    return calibrated


def certain_from(predicted: Floats) -> float:
    """Return the confidence that 99% of `predicted`, [N, 10], reach; the rest a person should check."""
    return min(1.0, float(np.quantile(predicted.max(axis=1), 1 - _CERTAIN_SHARE)))  # rounding may exceed 1


def evaluate(predicted: Floats, labels: Bytes, certain: float) -> Metrics:
    """Return the metrics of probabilities `predicted`, [N, 10], against `labels`, [N]."""
    answers, confidence = predicted.argmax(axis=1), predicted.max(axis=1)
    right = answers == labels
    likelihood = np.clip(predicted[np.arange(len(labels)), labels], np.finfo(np.float32).tiny, None)
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(confusion, (labels, answers), 1)
    errors = int(np.sum(~right))
    return Metrics(
        count=len(labels),
        errors=errors,
        error_percent=100 * errors / len(labels),
        negative_log_likelihood=float(-np.log(likelihood).mean()),
        expected_calibration_error=expected_calibration_error(confidence, right),
        certain_share=float(np.mean(confidence >= certain)),
        errors_while_certain=int(np.sum(~right & (confidence >= certain))),
        confusion=confusion.tolist(),
    )


def expected_calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Return the mean gap between confidence and accuracy over 15 equal bins of confidence, weighted by their size.

    Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning".
    """
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, confidence - right, _CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(confidence))
