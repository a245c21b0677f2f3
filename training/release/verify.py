"""Proves that an export computes what was trained; the only code that reads the test set.

Every metric comes from the service's own engine, on the bytes that are published.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.contract import FLOAT32_FILE, INT8_FILE
from service.inference.engine import Engine, Images, Probabilities
from training.errors import VerificationError
from training.recipe import Recipe
from training.release.evaluate import Floats, Metrics, evaluate

MOST_DIFFERENCE = 1e-5  # between a float32 probability and Keras'
MOST_BATCH_DIFFERENCE = 1e-6  # between a probability at batch 1 and at batch 512
MOST_INT8_COST_PERCENT = 0.05  # points of test accuracy
_BATCH = 512
_SPEED_ROUNDS, _SPEED_RUNS = 5, 200


@dataclass(frozen=True)
class Verified:
    """The verification of one graph.

    `keras_difference` and `batch_difference` are the largest differences of a probability; `labels_differing` counts
    test digits that Keras reads differently; `microseconds` is the median time of one image on one CPU thread.
    """

    test: Metrics
    keras_difference: float
    labels_differing: int
    batch_difference: float
    microseconds: float
    bytes: int


@dataclass(frozen=True)
class Verification:
    """The graphs that may be published, by file name, and the reason if int8 is left out."""

    graphs: Mapping[str, bytes]
    figures: Mapping[str, Verified]
    left_out: str | None


def verify(
    float32: bytes,
    int8: bytes,
    recipe: Recipe,
    *,
    keras_probabilities: Floats,
    test_images: Images,
    test_labels: npt.NDArray[np.uint8],
    certain_from: float,
) -> Verification:
    """Compare both graphs with Keras on the test images, and float32 with the recipe's accuracy floor.

    An int8 graph that is not faster, loses too much accuracy or depends on its batch is left out. Any fault of the
    float32 graph stops the publication.

    Raises:
        VerificationError: the float32 graph differs from Keras, depends on its batch, or misses the floor.
    """
    figures = {
        name: _examine(graph, keras_probabilities, test_images, test_labels, certain_from)
        for name, graph in ((FLOAT32_FILE, float32), (INT8_FILE, int8))
    }
    _check_float32(figures[FLOAT32_FILE], recipe)
    left_out = _why_not_int8(figures[INT8_FILE], figures[FLOAT32_FILE])
    graphs = {FLOAT32_FILE: float32} if left_out else {FLOAT32_FILE: float32, INT8_FILE: int8}
    return Verification(graphs, figures, left_out)


def _examine(
    graph: bytes, expected: Floats, images: Images, labels: npt.NDArray[np.uint8], certain_from: float
) -> Verified:
    engine = Engine.open(graph)
    alone, together = run_in_batches(engine, images, 1), run_in_batches(engine, images, _BATCH)
    return Verified(
        test=evaluate(together, labels, certain_from),
        keras_difference=float(max(np.abs(found - expected).max() for found in (alone, together))),
        labels_differing=int(np.sum(together.argmax(axis=1) != expected.argmax(axis=1))),
        batch_difference=float(np.abs(alone - together).max()),
        microseconds=_microseconds(engine, images[:1]),
        bytes=len(graph),
    )


def run_in_batches(engine: Engine, images: Images, size: int) -> Probabilities:
    """Return the engine's probabilities, float32 [N, 10], of `images`, run `size` at a time."""
    return np.concatenate([engine.run(images[start : start + size]) for start in range(0, len(images), size)])


def _microseconds(engine: Engine, image: Images) -> float:
    """Return the time of a run: the lowest median of a few rounds, since noise only adds time."""
    medians = []
    for _ in range(_SPEED_ROUNDS):
        times = []
        for _ in range(_SPEED_RUNS):
            started = time.perf_counter()
            engine.run(image)
            times.append(time.perf_counter() - started)
        medians.append(float(np.median(times)))
    return 1e6 * min(medians)


def _check_float32(found: Verified, recipe: Recipe) -> None:
    if found.labels_differing or not found.keras_difference <= MOST_DIFFERENCE:
        raise VerificationError(
            f"The export is not the model: {found.labels_differing} labels differ from Keras, probabilities by up to "
            f"{found.keras_difference:.1e} (allowed {MOST_DIFFERENCE:.0e}). Nothing is published."
        )
    if not found.batch_difference <= MOST_BATCH_DIFFERENCE:
        raise VerificationError(
            f"An answer depends on what shares its batch: by {found.batch_difference:.1e} "
            f"(allowed {MOST_BATCH_DIFFERENCE:.0e}). Nothing is published."
        )
    accuracy = 1 - found.test.errors / found.test.count
    if accuracy < recipe.accuracy_floor:
        raise VerificationError(
            f"The model reads {accuracy:.2%} of the test digits right, under the floor of {recipe.accuracy_floor:.2%} "
            f"of recipe {recipe.name}. Nothing is published: train for more epochs, or look at the curves of the run."
        )


def _why_not_int8(int8: Verified, float32: Verified) -> str | None:
    cost = int8.test.error_percent - float32.test.error_percent
    if cost > MOST_INT8_COST_PERCENT + 1e-9:
        return f"it costs {cost:.2f} points of accuracy"
    if not int8.batch_difference <= MOST_BATCH_DIFFERENCE:
        return f"its answers depend on their batch by {int8.batch_difference:.1e}"
    if int8.microseconds >= float32.microseconds:
        return f"it is no faster ({int8.microseconds:.0f} us against {float32.microseconds:.0f} us)"
    return None
