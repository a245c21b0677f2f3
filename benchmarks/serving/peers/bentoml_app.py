"""BentoML: a service that takes an image, opened with Pillow; an unnamed single input is the raw body."""

import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from PIL.Image import Image

from benchmarks.serving.work import Reader


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Digits:
    """The two routes."""

    def __init__(self) -> None:
        """Open the model, in the worker."""
        self.reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))

    @bentoml.api
    def predict(self, image: Image) -> dict[str, Any]:
        """Answer for a picture in a form."""
        return self.reader.read_grey(np.asarray(image.convert("L")))

    @bentoml.api
    def raw(self, image: Image, /) -> dict[str, Any]:
        """Answer for a picture as the body."""
        return self.reader.read_grey(np.asarray(image.convert("L")))
