"""A recipe in words, for the model card."""

from collections.abc import Mapping
from typing import Any

from service.contract import IMAGE_SIDE, LABELS
from training.recipe import PUBLISHED, Deformation, Mixture, Normal, Recipe


def network(recipe: Recipe, weights: int) -> str:
    """Describe the network: layers, activation, number of weights."""
    layers = "-".join(map(str, (IMAGE_SIDE**2, *recipe.hidden, len(LABELS))))
    activation = recipe.activation.replace("_", " ")
    slope = f" of slope {recipe.negative_slope:g}" if recipe.negative_slope else ""
    kind = "A plain multi-layer perceptron"
    if recipe.members > 1:
        kind = f"The mean of the probabilities of {recipe.members} plain multi-layer perceptrons"
    return f"{kind}, {layers}, {activation}{slope}, {weights:,} weights."


def output(recipe: Recipe) -> str:
    """Describe how outputs that are not logits become probabilities."""
    said = []
    if recipe.output_activation != "linear" or recipe.loss != "cross_entropy":
        loss = recipe.loss.replace("_", " ")
        passed = f" of {recipe.output_activation}" if recipe.output_activation != "linear" else ""
        said.append(
            f"It learnt by {loss}, and its ten outputs{passed} are no probabilities: the graph divides them by the\n"
            "temperature and takes the softmax."
        )
    if recipe.members > 1:
        said.append("The temperature calibrates the mean; the loss of the curves is the sum of the members' losses.")
    if recipe.lesson:
        said.append("It is a lesson, to be compared with others, and not for use.")
    return "".join(f"\n{sentence}" for sentence in said)


def learning(recipe: Recipe) -> str:
    """Describe initial weights, optimizer and schedule."""
    initial = f"{_initial(recipe.kernel_initializer)} weights, {_initial(recipe.bias_initializer)} biases"
    start = (
        "the weights of the version before" if recipe.start == PUBLISHED else f"the weights of recipe `{recipe.start}`"
    )
    said = [start if recipe.start else initial, _steps(recipe)]
    if recipe.branches > 1:
        said.append(f"{recipe.branches} times from there, each with random numbers of its own")
    if recipe.start_share:
        said.append(
            f"then the mean of the weights before and after, those before with a share of {recipe.start_share:.3g}"
        )
    if recipe.dropout:
        said.append(f"dropout of {recipe.dropout:.0%}")
    if recipe.weight_decay:
        said.append(f"decoupled weight decay of {recipe.weight_decay:g}")
    return ", ".join(said)


def teacher(recipe: Recipe, figures: Mapping[str, Any] | None) -> str:
    """Describe the teachers; `figures` are their metrics in the manifest, None of a published version."""
    if recipe.teacher == PUBLISHED:
        return (
            "\n- In place of MNIST's labels it learnt what the version before answers, at the temperature "
            f"{recipe.teacher_temperature:g}\n  (Hinton et al. 2015)."
        )
    if figures is None:
        return ""
    bounds = recipe.teacher_deformation
    seen = "the same images" if bounds is None else f"the same images, deformed once more ({deformation(bounds)})"
    return (
        f"\n- In place of the labels it learnt the mean of what teachers answer to {seen}, at the temperature "
        f"{recipe.teacher_temperature:g}\n  (Hinton et al. 2015): recipe `{figures['recipe']}`, seeds "
        f"{', '.join(map(str, figures['seeds']))}; their mean makes {figures['validation_errors']} validation errors."
    )


def seeds(figures: Mapping[str, Any]) -> str:
    """Describe the other seeds; `figures` are the manifest's metrics."""
    every = figures["seeds"]
    if len(every) == 1:
        return "One run."
    found = "; ".join(
        f"seed {each['seed']}: {each['validation_loss']:.4f}, {each['validation_errors']}, {each['test_errors']}"
        for each in every
    )
    return (
        f"It is the seed with the median validation\n  loss of {len(every)}. Validation loss, validation errors, test "
        f"errors (float32; they did not influence the choice):\n  {found}."
    )


def start(figures: Mapping[str, Any] | None) -> str:
    """Describe what was trained first; `figures` are its metrics in the manifest."""
    if figures is None:
        return ""
    return (
        f"\n- Recipe `{figures['recipe']}` came first: {figures['epochs']} epochs of "
        f"{figures['seconds_per_epoch']:.1f} s, {figures['validation_errors']} validation errors."
    )


def _steps(recipe: Recipe) -> str:
    momentum = f" with momentum {recipe.momentum:g}" if recipe.momentum else ""
    optimizer = {"adam": "Adam", "sgd": f"gradient descent{momentum}"}[recipe.optimizer]
    if recipe.final_rate == 1 and not recipe.warmup_epochs:
        return f"{optimizer} at {recipe.learning_rate:g}"
    end = f"{recipe.final_rate:.0%} of it" if recipe.final_rate else "zero"
    warm_up = f"{recipe.warmup_epochs:g} epoch of warm-up and " if recipe.warmup_epochs else ""
    return f"{optimizer} to {recipe.learning_rate:g} with\n  {warm_up}cosine decay to {end}"


def _initial(given: str | Normal) -> str:
    return f"normal (deviation {given.deviation:g})" if isinstance(given, Normal) else given


def deformation(bounds: Deformation | None) -> str:
    """Describe the deformation."""
    if bounds is None:
        return "none"
    return (
        f"each time anew: rotation to {bounds.rotation_degrees:g} degrees, scale to {bounds.scale:.0%} an "
        f"axis, shear to {bounds.shear:g}, shift to {bounds.translation_pixels:g} pixels, elastic field "
        f"(Simard 2003) of alpha {bounds.elastic_alpha:g} and sigma {bounds.elastic_sigma:g} pixels"
    )


def mixed_in(recipe: Recipe, figures: Mapping[str, Any]) -> str:
    """Describe what is learnt beside MNIST; `figures` are the manifest's metrics."""
    pictures = [] if recipe.mixture is None else [_pictures(recipe.mixture, figures)]
    own = [f"{recipe.own_share:.0%} of each batch are the user's own digits"] if figures.get("own") else []
    return "; ".join([*pictures, *own]) or "nothing"


def _pictures(given: Mixture, figures: Mapping[str, Any]) -> str:
    counts = {kind: found["count"] for kind, found in figures["pool"].items() if kind != "seconds"}
    alike = f"; {counts['alike']:,} letters like a digit, for which it shall be likelier" if given.alike else ""
    return (
        f"{given.share:.0%} of each batch are pictures in the service's canonical form, made before training: "
        f"{counts['renderings']:,} training digits as they are photographed, scanned, brought to small bitmaps; "
        f"{counts['forms']:,} digits drawn in the forms of other countries, such as a 1 with a long up-stroke; "
        f"{counts['outliers']:,} letters, signs and doodles, for which each answer shall be equally likely{alike}"
    )
