"""`POST /corrections`: a picture and its correct digit, kept for training."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.contract import LABELS, Correction
from service.corrections import Corrections
from service.errors import MalformedRequest, UnknownRoute
from service.http.answering import Digits, Question, Request, Response, shown, to_json
from service.http.metrics import Metrics
from service.http.predict import Options, model_of, picture_and_values, png, prediction
from service.inference.engine import Images, Probabilities
from service.inference.store import Serving
from service.settings import Settings

ROUTE = "/corrections"
FIELD = "digit"


@dataclass(kw_only=True)
class Told(Question):
    """One picture as sent, and its correct digit."""

    content: bytes
    told: int
    kept_in: Corrections
    is_slow = True

    def answer(self, model: Serving, digits: Digits, probabilities: Probabilities) -> Response:
        """Store the correction; return its ID and the model's digit."""
        [digit], [row] = digits, probabilities
        said = prediction(row, digit, model.manifest, Options())
        correction = Correction(
            digit=self.told,
            read=said["digit"],
            confidence=float(said["confidence"]),
            certain=said["certain"],
            model=model.manifest.name,
            version=model.manifest.version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seen=png(digit),
            image=self.content,
        )
        name = self.kept_in.keep(correction)
        fields = {"id": name, "digit": self.told, "read": said["digit"], "certain": said["certain"]}
        return Response(to_json(fields | model_of(model.manifest)), status=201)

    def count(self, metrics: Metrics, certain_from: float, images: Images, probabilities: Probabilities) -> None:  # noqa: ARG002
        """Count the correction; the picture was counted when it was predicted."""
        metrics.corrected(int(probabilities[0].argmax()), self.told)


def read(request: Request, settings: Settings) -> Told:
    """Parse a request like those of `/predict` with a field `digit`; raise UnknownRoute if corrections are off."""
    kept_in = Corrections.of(settings)
    if kept_in is None:
        raise UnknownRoute("This service keeps no corrections: start it with DIGITS_CORRECTIONS_DIR.")
    picture, values = picture_and_values(request, (FIELD,))
    return Told(pictures=[picture], content=picture, told=_digit(values), kept_in=kept_in)


def _digit(values: dict[str, Any]) -> int:
    if FIELD not in values:
        raise MalformedRequest(f"There is no field `{FIELD}`: send the digit that the picture shows, from 0 to 9.")
    told = values[FIELD]
    known = told in LABELS if isinstance(told, str) else type(told) in (int, float) and told in range(len(LABELS))
    if not known:
        raise MalformedRequest(f"{FIELD}={shown(told)} is not a digit: send a whole number from 0 to 9.")
    return int(told)
