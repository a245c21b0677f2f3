"""Weight averaging (Wortsman et al. 2022, "Model soups" and "Robust fine-tuning of zero-shot models")."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def set_mean(model: Any, models: Sequence[Any], shares: Sequence[float]) -> None:
    """Set the weights of `model` to the weighted mean of those of `models`."""
    weights = zip(*(each.get_weights() for each in models), strict=True)
    model.set_weights([np.average(each, axis=0, weights=shares) for each in weights])
