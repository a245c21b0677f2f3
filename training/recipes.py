"""Every named recipe, in one table."""

from collections.abc import Mapping
from dataclasses import asdict, replace

from training.errors import TrainingError
from training.recipe import OWN_SHARE, PUBLISHED, Deformation, Mixture, Normal, Recipe

_DEFAULT = Recipe(
    name="dmlp-relu-glorot",
    summary="ReLU, Glorot uniform weights, affine and elastic deformation, pictures mixed in",
    deformation=Deformation(),
    mixture=Mixture(),
    accuracy_floor=0.993,
)


def _scaled(share: float) -> Deformation:
    """Return so much of the default's deformation."""
    full = asdict(Deformation())
    return Deformation(**{name: bound * (1.0 if name == "elastic_sigma" else share) for name, bound in full.items()})


_HALF = _scaled(0.5)

# Batches of twice the size take two thirds of the time on a CPU that computes in bfloat16.
_LONG = replace(
    _DEFAULT,
    name="dmlp-long",
    summary="the default, trained four times as long with twice the batch",
    batch_size=512,
    learning_rate=1.4e-3,
    epochs=600,
)

_SETTLED = replace(
    _LONG,
    name="dmlp-settled",
    summary="the mean of dmlp-long and of what 40 more epochs with half the deformation make of it, twice",
    start="dmlp-long",
    start_share=0.5,
    branches=2,
    warmup_epochs=0.0,
    epochs=40,
    deformation=_HALF,
    mixture=Mixture(renderings=120_000, forms=60_000, outliers=24_000, alike=6_000),
)

# What keeps MNIST as it was: the version before as teacher, and a share of its weights (docs/own-digits.md).
_FINE_TUNE = replace(
    _DEFAULT,
    name="fine-tune",
    summary="the newest published version, taught the digits of --extra in a minute",
    start=PUBLISHED,
    start_share=0.3,
    teacher=PUBLISHED,
    teacher_temperature=4.0,
    learning_rate=5e-4,
    warmup_epochs=0.1,
    epochs=2,
    deformation=_HALF,
    mixture=None,
    own_share=OWN_SHARE,
)

# The lessons: steps towards the default, each as a difference from an earlier one.
_SIGMOID_SGD = Recipe(
    name="sigmoid-sgd",
    summary="two sigmoid layers of 256, normal weights and biases, plain gradient descent",
    hidden=(256, 256),
    activation="sigmoid",
    kernel_initializer=Normal(1.0),
    bias_initializer=Normal(1.0),
    optimizer="sgd",
    learning_rate=0.1,
    warmup_epochs=0.0,
    final_rate=1.0,
    batch_size=100,
    epochs=30,
    accuracy_floor=0.85,
    lesson=True,
)
_RELU_SGD = replace(
    _SIGMOID_SGD,
    name="relu-sgd",
    summary="sigmoid-sgd with ReLU and a tenth of the rate",
    activation="relu",
    learning_rate=0.01,
    accuracy_floor=0.8,
)
_RELU_ADAM_3 = replace(
    _RELU_SGD,
    name="relu-adam-3",
    summary="relu-sgd with Adam and Glorot uniform weights",
    optimizer="adam",
    learning_rate=1e-3,
    kernel_initializer="glorot_uniform",
    bias_initializer="zeros",
    accuracy_floor=0.96,
)
_DMLP_RELU = replace(
    _RELU_ADAM_3,
    name="dmlp-relu",
    summary="the network of the default, trained with no defence against overfitting",
    hidden=(1024, 512, 512, 512),
    batch_size=128,
)
_DMLP_TANH = replace(
    _DMLP_RELU,
    name="dmlp-tanh-glorot",
    summary="tanh throughout, Glorot uniform weights, mean squared error",
    activation="tanh",
    output_activation="tanh",
    loss="mean_squared_error",
    accuracy_floor=0.93,
)

_ALL = (
    _DEFAULT,
    _LONG,
    _SETTLED,
    replace(
        _SETTLED,
        name="dmlp-distilled",
        summary="dmlp-settled, taught by the mean of three of its seeds what they answer to deformed pictures",
        teacher="dmlp-settled",
        teachers=3,
        teacher_temperature=1.0,
        teacher_deformation=_scaled(0.3),
        start="dmlp-settled",
        start_share=0.0,
        branches=1,
        batch_size=256,
        learning_rate=5e-4,
        warmup_epochs=1.0,
        epochs=60,
    ),
    _FINE_TUNE,
    replace(
        _FINE_TUNE,
        name="fine-tune-pool",
        summary="fine-tune with a small pool, which takes a minute or two to make and is kept",
        mixture=Mixture(share=0.2, renderings=4_000, forms=2_000, outliers=1_000, held_out=500),
    ),
    replace(
        _DEFAULT,
        name="smoke",
        summary="the same network for one epoch, to see the whole path work; not for use",
        epochs=1,
        warmup_epochs=0.2,
        mixture=Mixture(renderings=1_000, forms=500, outliers=300, held_out=100),
        accuracy_floor=0.90,
    ),
    _SIGMOID_SGD,
    _RELU_SGD,
    replace(
        _RELU_SGD,
        name="relu-sgd-relu-output",
        summary="relu-sgd with ReLU on the output too",
        output_activation="relu",
        accuracy_floor=0.09,
    ),
    _RELU_ADAM_3,
    replace(
        _DMLP_TANH,
        name="dmlp-tanh-uniform",
        summary="tanh throughout, weights uniform to 0.05, mean squared error",
        kernel_initializer="random_uniform",
    ),
    _DMLP_TANH,
    replace(
        _DMLP_TANH,
        name="dmlp-tanh-logits",
        summary="dmlp-tanh-glorot with no tanh on the output, cross-entropy",
        output_activation="linear",
        loss="cross_entropy",
    ),
    _DMLP_RELU,
    replace(
        _DMLP_RELU,
        name="dmlp-leaky-relu",
        summary="dmlp-relu with leaky ReLU of slope 0.01",
        activation="leaky_relu",
        negative_slope=0.01,
    ),
    replace(
        _DMLP_RELU,
        name="dmlp-linear",
        summary="dmlp-relu with no activation: five layers that are one linear layer",
        activation="linear",
        accuracy_floor=0.9,
    ),
    replace(_DMLP_RELU, name="dmlp-he", summary="dmlp-relu with He normal weights", kernel_initializer="he_normal"),
    replace(
        _DMLP_RELU,
        name="dmlp-small-normal",
        summary="dmlp-relu with normal weights times 0.01",
        kernel_initializer=Normal(0.01),
        accuracy_floor=0.93,
    ),
    replace(
        _DMLP_RELU,
        name="dmlp-zeros",
        summary="dmlp-relu with zero weights, which never move",
        kernel_initializer="zeros",
        accuracy_floor=0.09,
    ),
    replace(
        _DMLP_RELU,
        name="dmlp-zeros-sigmoid",
        summary="zero weights under a sigmoid, which move and never part",
        activation="sigmoid",
        kernel_initializer="zeros",
        accuracy_floor=0.09,
    ),
    replace(
        _DMLP_RELU, name="dmlp-500", summary="dmlp-relu with four hidden layers of 500", hidden=(500, 500, 500, 500)
    ),
    replace(
        _DMLP_RELU,
        name="dmlp-momentum",
        summary="dmlp-relu with gradient descent and momentum",
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.9,
    ),
    replace(
        _DMLP_RELU,
        name="dmlp-dropout",
        summary="dmlp-relu with 30% of the hidden units left out in each step",
        dropout=0.3,
    ),
    replace(_DMLP_RELU, name="dmlp-weight-decay", summary="dmlp-relu with decoupled weight decay", weight_decay=0.1),
    replace(_DMLP_RELU, name="dmlp-augmented", summary="dmlp-relu on deformed digits", deformation=Deformation()),
    replace(_DMLP_RELU, name="dmlp-ensemble", summary="the mean of three networks of dmlp-relu", members=3),
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
DEFAULT = _DEFAULT.name

#: Groups of recipes that a comparison shows together.
COMPARISONS: Mapping[str, tuple[str, ...]] = {
    "Activation and optimiser in a shallow network": (
        "sigmoid-sgd",
        "relu-sgd",
        "relu-sgd-relu-output",
        "relu-adam-3",
    ),
    "Initial weights under tanh, and the loss": ("dmlp-tanh-uniform", "dmlp-tanh-glorot", "dmlp-tanh-logits"),
    "Activation in a deep network": ("dmlp-tanh-logits", "dmlp-relu", "dmlp-leaky-relu", "dmlp-linear"),
    "Initial weights under ReLU": ("dmlp-relu", "dmlp-he", "dmlp-small-normal", "dmlp-zeros", "dmlp-zeros-sigmoid"),
    "Width and optimiser": ("dmlp-relu", "dmlp-500", "dmlp-momentum"),
    "Defences against overfitting": (
        "dmlp-relu",
        "dmlp-dropout",
        "dmlp-weight-decay",
        "dmlp-augmented",
        "dmlp-ensemble",
    ),
}


def find(name: str) -> Recipe:
    """Return the recipe `name`.

    Raises:
        TrainingError: there is none of that name.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise TrainingError(f"There is no recipe {name!r}; there are {', '.join(RECIPES)}.") from None
