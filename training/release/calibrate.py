"""What the validation split decides: the temperature and the threshold of certainty."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.data.mnist import Mnist
from training.fitting.learn import Learnt
from training.progress import say
from training.release import evaluate
from training.release.evaluate import Floats, Metrics
from training.synthesis.pictures import VALIDATION
from training.synthesis.pool import Pool

_BATCH = 500


@dataclass(frozen=True)
class Calibrated:
    """A trained model with its temperature, its threshold, and its metrics on the pool's validation pictures."""

    learnt: Learnt
    temperature: float
    certain_from: float
    validation: Metrics
    pictures: dict[str, Any]

    def probabilities(self, images: Any) -> Floats:
        """Return Keras' calibrated probabilities, [N, 10], for images, uint8 [N, 28, 28]."""
        return evaluate.probabilities(logits(self.learnt.fitted.model, images), self.temperature)


def calibrate(learnt: Learnt, data: Mnist) -> Calibrated:
    """Fit temperature and threshold on the validation split, and report them."""
    found = logits(learnt.fitted.model, data.validation_images)
    temperature = evaluate.fit_temperature(found, data.validation_labels)
    predicted = evaluate.probabilities(found, temperature)
    certain_from = evaluate.certain_from(predicted)
    metrics = evaluate.evaluate(predicted, data.validation_labels, certain_from)
    say(
        "calibrate",
        f"seed {learnt.seed}, validation: {metrics.errors} errors in {metrics.count:,}; loss "
        f"{metrics.negative_log_likelihood:.4f}; temperature {temperature:.3f}; certain from {certain_from:.4f}",
    )
    calibrated = Calibrated(learnt, temperature, certain_from, metrics, {})
    if learnt.pictures is not None:
        calibrated.pictures.update(_judge_pictures(calibrated, learnt.pictures))
    return calibrated


def median(candidates: Sequence[Calibrated]) -> Calibrated:
    """Return the one with the median validation loss; of an even number the better of the middle two."""
    ranked = sorted(candidates, key=lambda each: each.validation.negative_log_likelihood)
    return ranked[(len(ranked) - 1) // 2]


def logits(model: Any, images: Any) -> Floats:
    """Return the logits, float32 [N, 10], of `model` for images, uint8 [N, 28, 28]."""
    found: Floats = model.predict(images.astype(np.float32), batch_size=_BATCH, verbose=0)
    return found


def _judge_pictures(calibrated: Calibrated, pictures: Pool) -> dict[str, Any]:
    """Return the metrics on the pool's validation pictures, and the share of outliers answered with certainty."""
    predicted = {kind: calibrated.probabilities(pictures.parts[kind].images) for kind in VALIDATION}
    rendered, forms = (
        evaluate.evaluate(predicted[kind], pictures.parts[kind].labels, calibrated.certain_from)
        for kind in VALIDATION[:2]
    )
    outliers = predicted[VALIDATION[2]]
    certain = float(np.mean(outliers.max(axis=1) >= calibrated.certain_from))
    for name, found in (("rendered", rendered), ("drawn forms", forms)):
        say(
            "calibrate",
            f"{name}: {found.errors} errors in {found.count:,}; calibration error "
            f"{found.expected_calibration_error:.4f}; certain {found.certain_share:.1%}",
        )
    say("calibrate", f"no digits: {certain:.1%} of {len(outliers):,} certain")
    return {"validation_rendered": asdict(rendered), "validation_forms": asdict(forms), "outliers_certain": certain}
