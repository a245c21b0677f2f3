"""Every named recipe, in one table: the network and all that decides how it is trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
    """

    share: float = 1 / 3
    renderings: int = 60_000
    forms: int = 28_000
    outliers: int = 12_000
    held_out: int = 2_000


@dataclass(frozen=True)
class Recipe:
    """A network and its training, complete: with a seed and the data it gives the model.

    The learning rate climbs linearly to `learning_rate` over `warmup_epochs` and falls to zero along a half cosine
    (Loshchilov and Hutter 2017, "SGDR", equation 5) by the end of `epochs`.
    `accuracy_floor` is the share of test digits below which nothing is published.
    """

    name: str
    summary: str
    hidden: tuple[int, ...] = (1024, 512, 512, 512)
    activation: str = "relu"
    kernel_initializer: str = "glorot_uniform"
    bias_initializer: str = "zeros"
    learning_rate: float = 1e-3
    warmup_epochs: float = 1.0
    batch_size: int = 256
    epochs: int = 150
    deformation: Deformation | None = None
    mixture: Mixture | None = None
    accuracy_floor: float = 0.97

    @property
    def pool_per_batch(self) -> int:
        """How many of a batch's images come from the pool; the others are MNIST's."""
        return 0 if self.mixture is None else round(self.mixture.share * self.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe in full, as it goes into the manifest."""
        return asdict(self)


_ALL = (
    Recipe(
        name="dmlp-relu-glorot",
        summary="the deep MLP that is published: ReLU, Glorot uniform, affine and elastic deformation",
        deformation=Deformation(),
        mixture=Mixture(),
        accuracy_floor=0.993,
    ),
    Recipe(
        name="smoke",
        summary="the same network for one epoch, to see the whole path work; not for use",
        epochs=1,
        warmup_epochs=0.2,
        deformation=Deformation(),
        mixture=Mixture(renderings=1_000, forms=500, outliers=300, held_out=100),
        accuracy_floor=0.90,
    ),
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
DEFAULT = "dmlp-relu-glorot"


def find(name: str) -> Recipe:
    """Return the recipe `name`.

    Raises:
        TrainingError: there is none of that name.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise TrainingError(f"There is no recipe {name!r}; there are {', '.join(RECIPES)}.") from None
