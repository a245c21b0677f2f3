"""Requests, questions and responses, independent of the server."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import orjson

from service.errors import DigitsError, Headers, MalformedRequest, RequestError, TooLarge, first_line
from service.inference.engine import Images, Probabilities
from service.inference.store import Serving
from service.preprocessing.formats import Still, still
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit
from service.settings import Settings

if TYPE_CHECKING:  # commands need no metrics
    from service.http.metrics import Metrics

JSON: Headers = (("Content-Type", "application/json"),)


def to_json(value: object) -> bytes:
    """Return a value as compact JSON and a newline; float32 as the shortest decimals that stand for it."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


class Request(NamedTuple):
    """A prediction request. `headers` has lower-case names; of a repeated one the last counts."""

    body: bytes
    headers: dict[str, str]
    query: str = ""

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the parameters of the query, or raise MalformedRequest if one is not `known`."""
        found = dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}
        check_names(found, known, "parameter")
        return found


class Response(NamedTuple):
    """A response: body, headers and status."""

    body: bytes
    headers: Headers = JSON
    status: int = 200


Picture = bytes | Still | RequestError


@dataclass
class Question(ABC):
    """A parsed prediction request.

    `pictures` are encoded pictures in order, opened or not, or the error in place of one;
    `images` are uint8 [N, 28, 28] where the client has sent the model's own input. With `counts_itself` the images
    are no predictions, and reading and answering take a thread.
    """

    pictures: list[Picture]
    images: Images | None = field(default=None, kw_only=True)
    counts_itself: ClassVar[bool] = False

    def open(self) -> float:
        """Read the heads of the files; return the bytes of memory that decoding all of them would take together."""
        self.pictures = [_opened(picture) for picture in self.pictures]
        return sum(pixels(picture) * picture.pixel_bytes for picture in self.pictures if isinstance(picture, Still))

    def unreadable(self, index: int, error: RequestError) -> RequestError:  # noqa: ARG002
        """Return the error to put in place of an unreadable picture, or raise it for the whole request."""
        raise error

    def form(self, index: int, grey: Grey) -> Grey:  # noqa: ARG002
        """Return a decoded picture as the model wants it, uint8 [28, 28]."""
        return canonical_digit(grey)

    def count(self, metrics: "Metrics", certain_from: float, probabilities: Probabilities) -> None:
        """Count what was answered, beyond what every run of the model counts."""
        del metrics, certain_from, probabilities

    @abstractmethod
    def answer(self, model: Serving, digits: list[Grey | RequestError], probabilities: Probabilities) -> Response:
        """Return the answer; `probabilities`, float32 [N, 10], are those of the digits that could be read."""


def pixels(picture: Picture) -> int:
    """Return the width times height of an opened picture, 0 where it cannot be read."""
    return picture.width * picture.height if isinstance(picture, Still) else 0


def _opened(picture: Picture) -> Picture:
    try:
        return still(picture) if isinstance(picture, bytes) else picture
    except RequestError as error:
        return error


Read = Callable[[Request, Settings], Question]


def problem(error: DigitsError) -> Response:
    """Return the response for an error."""
    return Response(to_json(described(error)), (*JSON, *error.headers), error.status)


def defect() -> DigitsError:
    """Return the error for what nobody foresaw; log the exception first."""
    return DigitsError("The service failed at this request; its log says why. Report it.")


def described(error: DigitsError) -> dict[str, str]:
    """Return an error as JSON fields."""
    return {"error": str(error), "code": error.code}


def check_names(found: Any, known: Sequence[str], what: str) -> None:
    """Raise MalformedRequest over a name that is not `known`: a misspelt option must not be ignored."""
    unknown = [name for name in found if name not in known]
    if unknown:
        takes = ", ".join(f"`{name}`" for name in known) or "none"
        raise MalformedRequest(f"Unknown {what} {shown(unknown[0])}: correct or remove it; known are {takes}.")


def decoded(body: bytes, kind: Any, refusal: Callable[[str], str]) -> Any:
    """Return the JSON in `body` as `kind`, or raise MalformedRequest: `refusal` makes its message of a reason."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(refusal(first_line(error))) from None


def at_most(pictures: Sequence[Any], most: int) -> None:
    """Raise TooLarge over more than `most` pictures."""
    if len(pictures) > most:
        raise TooLarge(f"There are {len(pictures)} pictures, allowed are {most}: send the rest in another request.")


def body_too_large(settings: Settings) -> TooLarge:
    """Return the error for a body of more bytes than are allowed."""
    return TooLarge(f"The body has more than {settings.max_upload_bytes:,} bytes: send less.")


def shown(value: object) -> str:
    """Return a client's value for use in an error message: escaped and shortened."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
