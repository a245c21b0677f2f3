"""Recipes: a network and everything that decides how it is trained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from service.contract import MODEL_NAME
from training.errors import TrainingError

PUBLISHED = "published"  # the name of a `start` or `teacher` that is the newest published version
OWN_SHARE = 0.1  # of a batch, where a recipe says nothing of it


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
    """The pool: pictures in the service's canonical form that are learnt beside MNIST, made before training.

    `share` of each batch comes from the pool. It holds `renderings` (training digits as people send them), `forms`
    (drawn digits, such as a 1 with an up-stroke), `outliers` (no digit; the target is uniform) and letters `alike` a
    digit (the target leans to it), less those that the service would reject. `held_out` forms and as many outliers
    are made for validation, beside the rendered validation digits (no more than `renderings`). A larger pool of the
    same seed begins with the smaller one.
    """

    share: float = 1 / 3
    renderings: int = 60_000
    forms: int = 28_000
    outliers: int = 12_000
    held_out: int = 2_000
    alike: int = 0


@dataclass(frozen=True)
class Normal:
    """Normal initial values with mean 0 and standard deviation `deviation`."""

    deviation: float


@dataclass(frozen=True)
class Recipe:
    """A network and its training; with a seed and the data it determines the model.

    - `activation` and the initialisers have Keras' names; `negative_slope` is that of `leaky_relu`.
    - `loss` is `cross_entropy` on logits or `mean_squared_error`, of what `output_activation` returns.
    - `optimizer` is `adam` or `sgd` (with `momentum`). The learning rate climbs linearly over `warmup_epochs` and falls
      along a half cosine (Loshchilov and Hutter 2017, "SGDR", equation 5) to `final_rate` times `learning_rate`.
    - `dropout`: Srivastava et al. 2014. `weight_decay`: decoupled, Loshchilov and Hutter 2019.
    - `teacher` names a recipe of the same network that is trained first, with as many seeds as `teachers` says. The
      mean of their answers at `teacher_temperature` is learnt in place of the labels. `teacher_deformation` deforms
      what the teachers see once more.
    - `start` names a recipe of the same network that is trained first. Training goes on from its weights in `branches`,
      each with its own random numbers. The result is the mean of the weights: `start_share` of the first, the rest of
      the branches (Wortsman et al. 2022, "Model soups", "Robust fine-tuning of zero-shot models"). Where it names the
      teacher, each seed starts from the teacher of the same seed.
      `PUBLISHED` as `start` or `teacher` is the newest published version.
    - `own_share` of each batch are the user's own digits, learnt by their labels also where there is a teacher.
    - `members` train side by side as an ensemble; the answer is the mean of their probabilities.
    - `accuracy_floor`: nothing is published below this test accuracy.
    - `lesson`: published under its own name, so a service takes it only if told to.
    """

    name: str
    summary: str
    hidden: tuple[int, ...] = (1024, 512, 512, 512)
    activation: str = "relu"
    negative_slope: float = 0.0
    output_activation: str = "linear"
    kernel_initializer: str | Normal = "glorot_uniform"
    bias_initializer: str | Normal = "zeros"
    members: int = 1
    teacher: str | None = None
    teachers: int = 1
    teacher_temperature: float = 3.0
    teacher_deformation: Deformation | None = None
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
    own_share: float = 0.0
    accuracy_floor: float = 0.97
    lesson: bool = False

    @property
    def model_name(self) -> str:
        """The name its models are published under."""
        return self.name if self.lesson else MODEL_NAME

    @property
    def pool_per_batch(self) -> int:
        """The number of pool pictures in a batch."""
        return 0 if self.mixture is None else round(self.mixture.share * self.batch_size)

    @property
    def own_per_batch(self) -> int:
        """The number of the user's own digits in a batch."""
        return round(self.own_share * self.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe in full, as it goes into the manifest."""
        return asdict(self)


def with_network_of(recipe: Recipe, published: Mapping[str, Any]) -> Recipe:
    """Return `recipe` with the network of the recipe of a published version.

    Raises:
        TrainingError: that network cannot be read back.
    """
    given = completed(published)
    if given["members"] != 1 or given.get("convolutions") or given["output_activation"] != "linear":
        raise TrainingError(
            f"The newest version was trained by recipe {given['name']}, whose network cannot be read back: "
            "only a plain multi-layer perceptron can. Train with another recipe."
        )
    same = {name: given[name] for name in ("activation", "negative_slope")}
    return replace(recipe, hidden=tuple(given["hidden"]), **same)


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `fields` of an older recipe's JSON with defaults for fields added since.

    So a new field of `Recipe` must default to the old behaviour. A field that `Recipe` has lost stays only where it was
    set, as `convolutions` was.
    """
    defaults: dict[str, Any] = json.loads(json.dumps(Recipe(name="", summary="").to_dict()))
    return defaults | {name: value for name, value in fields.items() if name in defaults or value}
