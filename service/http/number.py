"""`POST /predict/number`: a picture in, the number in it out."""

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from service.contract import LABELS, Manifest
from service.errors import NoDigit, TooManyDigits
from service.http import predict
from service.http.answering import Question, Request, Response, to_json
from service.http.metrics import Metrics
from service.http.predict import Options, model_of, prediction
from service.inference.engine import Images, Probabilities
from service.preprocessing.formats import Still
from service.preprocessing.illumination import Grey
from service.preprocessing.numbers.candidates import MANY, MOST_DIGITS
from service.preprocessing.numbers.number import Number, read_number
from service.preprocessing.numbers.pieces import NONE
from service.preprocessing.numbers.segment import Segmented, segment
from service.settings import Settings


@dataclass
class NumberQuestion(Question):
    """One picture with a number in it. All its candidates are one run of the model."""

    options: Options
    is_slow = True
    images: Images = field(init=False)
    _segmented: Segmented = field(init=False)
    _number: Number = field(init=False)

    def form(self, picture: bytes | Still, grey: Grey) -> Grey:
        """Return the candidates of the picture, uint8 [N, 28, 28]."""
        self._segmented = segment(grey, reduction(cast(Still, picture), grey))
        self.images = self._segmented.images
        return self.images

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        """Return the number, its digits with their boxes, [x, y, width, height] in pixels of the upright picture.

        Raises:
            NoDigit, TooManyDigits: the number has no digits, or too many.
        """
        number = self._number = read_number(
            self._segmented.rows, probabilities, self._segmented.as_single(probabilities)
        )
        if not number.digits:
            raise NoDigit(NONE)
        if len(number.digits) > MOST_DIGITS:
            raise TooManyDigits(MANY)
        fields = {
            "number": "".join(number.lines),
            "certain": number.certain,
            "digits": [
                prediction(digit.probabilities, self.images[digit.image], manifest, self.options)
                | {"box": self._segmented.in_picture(digit.box)}
                for digit in number.digits
            ],
            "lines": number.lines,
            "skipped": [{"box": self._segmented.in_picture(box)} for box in number.skipped],
        }
        return Response(to_json(fields | model_of(manifest)))

    def count(self, metrics: Metrics, manifest: Manifest, probabilities: Probabilities) -> None:  # noqa: ARG002
        """Count the number, and its digits as predictions."""
        chosen = [digit.image for digit in self._number.digits]
        answered = np.reshape([digit.probabilities for digit in self._number.digits], (-1, len(LABELS)))
        metrics.predicted(self.images[chosen], answered, manifest.certain_from)
        metrics.numbers[self._number.certain].observe(len(chosen))


def read(request: Request, settings: Settings) -> NumberQuestion:
    """Parse a request to `/predict/number`."""
    one = predict.read(request, settings)
    return NumberQuestion(one.pictures, one.options)


def reduction(picture: Still, grey: Grey) -> int:
    """Return the whole factor by which decoding reduced a picture; its last rows may be missing."""
    width, height = picture.upright_size
    return max(1, int(0.5 + min(width / grey.shape[1], height / grey.shape[0])))
