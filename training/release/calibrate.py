"""What the validation split decides about a trained model: its temperature, and from where on it is certain."""

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
    """A trained model with what the validation split decided, and what it made of the pool's validation pictures."""

    learnt: Learnt
    temperature: float
    certain_from: float
    validation: Metrics
    pictures: dict[str, Any]

    def probabilities(self, images: Any) -> Floats:
        """Return Keras' calibrated answers to images, uint8 [N, 28, 28]: [N, 10]."""
        return evaluate.probabilities(logits(self.learnt.fitted.model, images), self.temperature)


def calibrate(learnt: Learnt, data: Mnist) -> Calibrated:
    """Fit the temperature and the threshold of certainty on the validation split, and say what came of it."""
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
    """Return the one with the median validation loss; of an even number the better of the two in the middle."""
    ranked = sorted(candidates, key=lambda each: each.validation.negative_log_likelihood)
    return ranked[(len(ranked) - 1) // 2]


def logits(model: Any, images: Any) -> Floats:
    """Return what `model` answers to images, uint8 [N, 28, 28]: float32 [N, 10]."""
    found: Floats = model.predict(images.astype(np.float32), batch_size=_BATCH, verbose=0)
    return found


def _judge_pictures(calibrated: Calibrated, pictures: Pool) -> dict[str, Any]:
    """Return the metrics of the pool's validation pictures, and the share of its outliers that pass for certain."""
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
