"""What a recipe is: the network and all that decides how it is trained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.contract import MODEL_NAME


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
    conditions in which people send them), `forms` (drawn digits, such as a 1 with an up-stroke), `outliers` (pictures
    without a digit, for which any answer is as likely as any other) and letters `alike` (those that resemble a digit,
    with a target that leans to it), less those that the service would refuse. `held_out` forms and as many outliers are
    made beside the rendered validation digits, to measure with. A pool of the same seed with more of each begins with
    these.
    """

    share: float = 1 / 3
    renderings: int = 60_000
    forms: int = 28_000
    outliers: int = 12_000
    held_out: int = 2_000
    alike: int = 0


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


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `fields` of a recipe that were written to JSON, with those that recipes did not have then.

    Whatever is added to `Recipe` has for default what was done before.
    """
    defaults: dict[str, Any] = json.loads(json.dumps(Recipe(name="", summary="").to_dict()))
    return defaults | dict(fields)
