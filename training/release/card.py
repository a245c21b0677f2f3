"""The model card of a version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.contract import CARD_FILE, FLOAT32_FILE, IMAGE_SIDE, INT8_FILE, LABELS
from training.markdown import table
from training.recipe import PUBLISHED, Recipe
from training.release import own, words
from training.release.report import CURVES_FILE, tools
from training.release.verify import MOST_BATCH_DIFFERENCE, MOST_DIFFERENCE, Verification, Verified


def write(
    directory: Path,
    *,
    version: str,
    recipe: Recipe,
    figures: Mapping[str, Any],
    verification: Verification,
) -> None:
    """Write the model card into `directory`.

    `figures` are the manifest's metrics.
    """
    card = _CARD.format(
        name=recipe.model_name,
        version=version,
        side=IMAGE_SIDE,
        network=words.network(recipe, figures["weights"]),
        output=words.output(recipe),
        recipe=recipe,
        learning=words.learning(recipe),
        before=words.start(figures.get("start")) + words.teacher(recipe, figures.get("teacher")),
        deformation=words.deformation(recipe.deformation),
        mixture=words.mixed_in(recipe, figures),
        pictures=_picture_words(figures),
        own=own.words(figures.get("own")),
        limits=_limits(recipe, figures),
        figures=figures,
        graphs=_graphs_table(verification),
        int8=f"The int8 graph is left out: {verification.left_out}." if verification.left_out else "",
        difference=MOST_DIFFERENCE,
        batch_difference=MOST_BATCH_DIFFERENCE,
        seeds=words.seeds(figures),
        confusion=_confusion_table(verification.figures[FLOAT32_FILE].test.confusion),
        curves=CURVES_FILE,
        tools=", ".join(f"{tool} {number}" for tool, number in tools().items()),
    )
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def _graphs_table(verification: Verification) -> str:
    head = (
        "file | test errors | error | negative log-likelihood, nats | calibration error | certain "
        "| errors among the certain | largest difference from Keras | one image, one thread | size"
    )
    return table(head.split(" | "), (_graph_row(name, verification.figures[name]) for name in verification.graphs))


def _graph_row(name: str, found: Verified) -> tuple[str, ...]:
    test = found.test
    return (
        f"`{name}`",
        f"{test.errors} in {test.count:,}",
        f"{test.error_percent:.2f}%",
        f"{test.negative_log_likelihood:.4f}",
        f"{test.expected_calibration_error:.4f}",
        f"{test.certain_share:.2%}",
        f"{test.errors_while_certain}",
        f"{found.keras_difference:.1e}" if name != INT8_FILE else f"{found.keras_difference:.2f}",
        f"{found.microseconds:.0f} us",
        f"{found.bytes / 1e6:.1f} MB",
    )


def _confusion_table(confusion: Sequence[Sequence[int]]) -> str:
    rows = (
        [f"**{label}**", *(str(count or ".") for count in row)] for label, row in zip(LABELS, confusion, strict=True)
    )
    return table(["is \\ read as", *LABELS], rows)


def _picture_words(figures: Mapping[str, Any]) -> str:
    if "validation_rendered" not in figures:
        return ""
    rendered, forms = figures["validation_rendered"], figures["validation_forms"]
    return (
        f"\nThe validation digits rendered as pictures: {rendered['errors']} errors in {rendered['count']:,}, "
        f"calibration error {rendered['expected_calibration_error']:.4f}. Drawn forms: {forms['errors']} errors in "
        f"{forms['count']:,}. Of letters, signs and doodles {figures['outliers_certain']:.1%} pass for certain."
    )


def _limits(recipe: Recipe, figures: Mapping[str, Any]) -> str:
    if recipe.start == PUBLISHED:
        return _LIMITS_OF_VERSION_BEFORE.format(version=figures["own"]["before"])
    return _LIMITS_OF_MNIST if recipe.mixture is None else _LIMITS_WITH_MIXTURE


_LIMITS_OF_VERSION_BEFORE = """It was trained from version {version}, whose
card says on what, and on the user's own digits. It knows digits only: whatever else it is given it calls a digit."""

_LIMITS_OF_MNIST = """It was trained on digits that
Americans wrote with a pen around 1990, scanned: other hands, above all a 1 with a long up-stroke or a 7 with a bar, are
read less well. It knows digits only: whatever else it is given it calls a digit, often with confidence."""

_LIMITS_WITH_MIXTURE = """It was trained on digits that
Americans wrote with a pen around 1990, scanned, and on forms of other countries that were drawn by code, not by people.
It knows digits only: whatever else it is given it calls a digit, as a rule without confidence."""

_CARD = """# {name}, version {version}

Reads one handwritten digit: a uint8 image of {side}x{side} pixels, 0 = background and 255 = ink, in MNIST's form, to
ten probabilities. {network}
Scaling, temperature calibration and softmax are inside the graph.{output}

## Figures
{graphs}

The 10,000 test digits of MNIST, through ONNX Runtime on the CPU. They decided nothing: the weights are those at the
end of the training, and what was fitted was fitted on the validation split.
{int8}
For float32 no label differs from Keras, and verification demands that no probability differs by more than
{difference:.0e} and that batches of 1 and of 512 agree to {batch_difference:.0e}.
*Certain* answers have a confidence of at least {figures[certain_from]:.4f}, which 99% of the validation digits reach.
Validation: {figures[validation][errors]} errors in {figures[validation][count]:,}.{pictures}{own}

{confusion}

Digits of the test set, a row each, by what `model.onnx` read.

## Training
- Recipe `{recipe.name}`: {recipe.summary}.
- Data: MNIST, the first 55,000 of the training digits; the last 5,000 are the validation split, on which the
  temperature ({figures[temperature]:.3f}) and the threshold of certainty were fitted.
- Mixed in: {mixture}.
- Deformation: {deformation}.
- {learning}, batch {recipe.batch_size},
  {figures[epochs]} epochs, seed {figures[seed]}. {seeds}{before}
- {figures[seconds_per_epoch]:.1f} s an epoch (median), {figures[images_per_second]:,.0f} images/s, on
  {figures[device]}, {figures[machine]}.
- {tools}.

![Loss and error by epoch]({curves})

## What it is for, and what not
It is for single, isolated digits 0 to 9, cut out and centred as the service does it. {limits}
It reads no numbers of several digits, no letters, no print. Do not let it decide alone where a wrong digit costs
something: take `certain` for a filter, not for a promise.
"""
