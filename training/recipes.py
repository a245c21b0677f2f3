"""Every named recipe, in one table: the network and all that decides how it is trained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from service.contract import MODEL_NAME
from training.errors import TrainingError


@dataclass(frozen=True)
class Deformation:
    """Bounds of the random deformation of a training image; each is drawn uniformly from [-bound, bound].

    The elastic part follows Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis" (ICDAR 2003), section 2: a field of uniform noise in [-1, 1], smoothed by a Gaussian of
    standard deviation `elastic_sigma` pixels and multiplied by `elastic_alpha` pixels.
    """

    rotation_degrees: float = 15.0
    scale: float = 0.18
    shear: float = 0.18
    translation_pixels: float = 1.5
    elastic_alpha: float = 42.0
    elastic_sigma: float = 5.0


@dataclass(frozen=True)
class Mixture:
    """What is learnt beside MNIST: a pool of pictures in the service's canonical form, made before the training.

    `share` of each batch comes from the pool. The pool is made of so many `renderings` (training digits under the
    conditions in which people send them), `forms` (drawn digits, such as a 1 with an up-stroke) and `outliers`
    (pictures without a digit, for which any answer is as likely as any other), less those that the service would
    refuse. `held_out` forms and as many outliers are made beside the rendered validation digits, to measure with.
    A pool of the same seed with more of each begins with these.
    """

    share: float = 1 / 3
    renderings: int = 60_000
    forms: int = 28_000
    outliers: int = 12_000
    held_out: int = 2_000


@dataclass(frozen=True)
class Normal:
    """Initial values drawn from the normal distribution of mean 0 and standard deviation `deviation`."""

    deviation: float


@dataclass(frozen=True)
class Recipe:
    """A network and its training, complete: with a seed and the data it gives the model.

    `activation` and the initialisers go by Keras' names; `negative_slope` is that of `leaky_relu`. What the last layer
    sums up passes through `output_activation` and is then compared with the targets by `loss`: `cross_entropy`, which
    takes it for logits, or `mean_squared_error`. The graph makes probabilities of it in either case, by the temperature
    that suits the validation split and a softmax.
    `optimizer` is `adam` or `sgd`, and `momentum` the latter's. The learning rate climbs linearly to `learning_rate`
    over `warmup_epochs` and falls along a half cosine (Loshchilov and Hutter 2017, "SGDR", equation 5) to the share
    `final_rate` of it by the end of `epochs`.
    `dropout` is the share of hidden units that a training step leaves out (Srivastava et al. 2014); `weight_decay` the
    share of a kernel that a step takes off, times the learning rate (Loshchilov and Hutter 2019).
    `convolutions` stand before the hidden layers: so many maps each; the first looks at 5x5 pixels, the others at 3x3,
    and every other one, from the first, halves the side. They are not normalised over the batch: its means are those of
    deformed digits and pictures, by which plain digits were read worse (31 errors in 5,000, by their own 17).
    A `teacher` is the name of another recipe, which is trained first, on the same mixture; what it answers at
    `teacher_temperature` is then what is learnt, in place of the labels.
    `start` is the name of another recipe of the same network, which is trained first: this one goes on with
    its weights, in so many `branches`, each with random numbers of its own. What is published is then the mean of the
    weights before, which have `start_share`, and of those after each branch (Wortsman et al. 2022, "Model soups" and
    "Robust fine-tuning of zero-shot models").
    Where there are several `members` they learn side by side, each for itself, and the mean of their probabilities is
    the answer. `accuracy_floor` is the share of test digits below which nothing is published. A `lesson` is published
    under its own name, so that a service takes it for its model only if told to.
    """

    name: str
    summary: str
    convolutions: tuple[int, ...] = ()
    hidden: tuple[int, ...] = (1024, 512, 512, 512)
    activation: str = "relu"
    negative_slope: float = 0.0
    output_activation: str = "linear"
    kernel_initializer: str | Normal = "glorot_uniform"
    bias_initializer: str | Normal = "zeros"
    members: int = 1
    teacher: str | None = None
    teacher_temperature: float = 3.0
    start: str | None = None
    start_share: float = 0.0
    branches: int = 1
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    momentum: float = 0.0
    learning_rate: float = 1e-3
    warmup_epochs: float = 1.0
    final_rate: float = 0.0
    batch_size: int = 256
    epochs: int = 150
    dropout: float = 0.0
    weight_decay: float = 0.0
    deformation: Deformation | None = None
    mixture: Mixture | None = None
    accuracy_floor: float = 0.97
    lesson: bool = False

    @property
    def model_name(self) -> str:
        """The name under which its models are published."""
        return self.name if self.lesson else MODEL_NAME

    @property
    def pool_per_batch(self) -> int:
        """How many of a batch's images come from the pool; the others are MNIST's."""
        return 0 if self.mixture is None else round(self.mixture.share * self.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe in full, as it goes into the manifest."""
        return asdict(self)


_DEFAULT = Recipe(
    name="dmlp-relu-glorot",
    summary="the deep MLP that is published: ReLU, Glorot uniform, affine and elastic deformation",
    deformation=Deformation(),
    mixture=Mixture(),
    accuracy_floor=0.993,
)

_HALF = Deformation(
    rotation_degrees=7.5, scale=0.09, shear=0.09, translation_pixels=0.75, elastic_alpha=21.0
)  # of the default's

# The lessons: each network that leads to the default, as a difference from one before it.
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
    replace(_DEFAULT, name="dmlp-long", summary="the default, trained four times as long", epochs=600),
    replace(
        _DEFAULT,
        name="dmlp-settled",
        summary="the mean of dmlp-long and of what 40 more epochs with half the deformation make of it, twice",
        start="dmlp-long",
        start_share=0.5,
        branches=2,
        warmup_epochs=0.0,
        epochs=40,
        deformation=_HALF,
        mixture=Mixture(renderings=120_000, forms=60_000, outliers=24_000),
    ),
    replace(
        _DEFAULT,
        name="dmlp-distilled",
        summary="the network of the default, taught for longer by a convolutional teacher",
        teacher="cnn-teacher",
        epochs=240,
    ),
    replace(
        _DEFAULT,
        name="cnn-teacher",
        summary="a convolutional network, to teach dmlp-distilled",
        convolutions=(32, 32, 64, 64),
        hidden=(128,),
        kernel_initializer="he_uniform",
        epochs=40,
        accuracy_floor=0.99,
        lesson=True,
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

#: What a report of several recipes sets side by side.
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


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `fields` of a recipe that were written to JSON, with those that recipes did not have then.

    Whatever is added to `Recipe` has for default what was done before.
    """
    defaults: dict[str, Any] = json.loads(json.dumps(Recipe(name="", summary="").to_dict()))
    return defaults | dict(fields)


def find(name: str) -> Recipe:
    """Return the recipe `name`.

    Raises:
        TrainingError: there is none of that name.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise TrainingError(f"There is no recipe {name!r}; there are {', '.join(RECIPES)}.") from None
