"""The service without sockets: bytes of a picture in, the answer of `POST /predict` out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.contract import MODEL_NAME, Manifest
from service.errors import NoDigit, RequestError
from service.inference.engine import Engine, open_version, sees_digit
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_already, fitted_digit
from service.settings import Settings

Seen = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """The answer to one picture: a digit, or -1 and the `code` of an error."""

    digit: int
    confidence: float
    certain: bool
    code: str = ""


def newest_version(models: Path) -> Path:
    """Return the directory of the version with the highest number."""
    versions = [path for path in (models / MODEL_NAME).iterdir() if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name))


@dataclass(frozen=True)
class Reader:
    """A loaded version."""

    engine: Engine
    manifest: Manifest
    max_pixels: int

    @classmethod
    def open(cls, models: Path) -> "Reader":
        """Open the newest version under `models` on the CPU.

        Raises:
            ModelError: it cannot be loaded.
        """
        directory = newest_version(models)
        manifest = Manifest.read(directory)
        return cls(open_version(directory, manifest, provider="cpu"), manifest, Settings().max_pixels)

    def read(self, content: bytes) -> tuple[Answer, Seen | None]:
        """Return the answer for a file and the model's 28x28 input, None if the picture was rejected."""
        try:
            grey = decode(content, max_pixels=self.max_pixels)
            already = canonical_already(grey)
            seen = fitted_digit(grey) if already is None else already
        except RequestError as error:
            return Answer(-1, 0.0, False, error.code), None
        return self.answer(seen, fitted=already is None), seen

    def answer(self, seen: Seen, *, fitted: bool) -> Answer:
        """Return the answer for an input of the model, uint8 [28, 28], `fitted` or MNIST's form as sent."""
        [probabilities] = self.engine.read(seen[np.newaxis], self.manifest.certain_from, fitted)
        if not sees_digit(probabilities):
            return Answer(-1, 0.0, False, NoDigit.code)
        digit = int(probabilities.argmax())
        confidence = float(probabilities[digit])
        return Answer(digit, confidence, confidence >= self.manifest.certain_from)
