"""Prediction requests, the questions parsed from them, and the service that answers them, independent of the server."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import parse_qsl

import numpy as np
import orjson

from service.contract import IMAGE_SIDE, LABELS, Manifest
from service.errors import DigitsError, Headers, MalformedRequest, NotReady, RequestError, TooLarge, UnknownRoute
from service.http.metrics import Metrics
from service.inference.engine import Fitted, Images, Probabilities
from service.inference.store import ModelStore, Serving
from service.preprocessing.decode import PIXEL_BYTES, decode
from service.preprocessing.formats import Still, still
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_already, fitted_digit
from service.settings import Settings

EXTENSION = "digits"  # of the Flask application
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
JSON: Headers = (("Content-Type", "application/json"), NO_SNIFFING)
DEFECT = DigitsError("The service failed at this request; its log says why. Report it.")
_MOST_MEMORY = 8  # times the largest colour picture: what the decoded pictures of a request may take together


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
    body: bytes
    headers: Headers = JSON
    status: int = 200


Picture = bytes | Still | RequestError
T = TypeVar("T")


@dataclass
class Question(ABC):
    """A parsed prediction request, and what is read from it.

    `pictures` are encoded pictures in order, opened or not, or the error in place of one, and `digits` what those read
    so far hold: uint8 [28, 28], or the error. `images`, uint8 [N, 28, 28], are the input of the model: the digits that
    could be read, or what the client has sent. `fitted` says of each digit whether its picture was not in MNIST's form.
    """

    pictures: Sequence[Picture]
    images: Images | None = field(default=None, kw_only=True)
    digits: list[Grey | RequestError] = field(default_factory=list, init=False)
    fitted: list[bool] = field(default_factory=list, init=False)

    keeps_errors = False  # an unreadable picture leaves the others answered
    list_name = ""  # names the unreadable picture in its error, as `images[3]`
    is_slow = False  # reading and answering take a thread

    def form(self, picture: bytes | Still, grey: Grey) -> Grey:  # noqa: ARG002
        """Return a decoded picture as the model wants it, uint8 [28, 28]."""
        already = canonical_already(grey)
        digit = fitted_digit(grey) if already is None else already
        self.fitted.append(already is None)
        return digit

    def inputs(self) -> tuple[Images, Fitted]:
        """Return the input of the model, uint8 [N, 28, 28], and which of it may get a second look."""
        if self.images is not None:
            return self.images, False
        readable = [digit for digit in self.digits if not isinstance(digit, RequestError)]
        self.images = np.array(readable, np.uint8).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
        return self.images, np.array(self.fitted, np.bool_)

    def named(self, index: int, error: RequestError) -> RequestError:
        """Return the error of a picture with the picture's name in the request."""
        return type(error)(f"{self.list_name}[{index}]: {error}")

    @abstractmethod
    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        """Return the answer; `probabilities` are those of the input, float32 [N, 10]."""

    def count(self, metrics: Metrics, manifest: Manifest, probabilities: Probabilities) -> None:
        """Count what was answered."""
        if self.images is not None and len(self.images):
            metrics.predicted(self.images, probabilities, manifest.certain_from)


Read = Callable[[Request, Settings], Question]


@dataclass
class Service:
    """The parts of a running service; `draining` says whether it has been told to stop."""

    settings: Settings
    store: ModelStore
    metrics: Metrics = field(default_factory=Metrics)
    draining: Callable[[], bool] = lambda: False

    def model(self, name: str | None = None, version: str | None = None) -> Serving:
        """Return the model that serves, or raise NotReady.

        A client may name it and its version: UnknownRoute is raised if that is another one.
        """
        if name not in (None, self.settings.model_name):
            raise UnknownRoute(f"No model {shown(name)} is served: ask for {self.settings.model_name!r}.")
        model = self.store.serving
        if model is None:
            raise NotReady("No model is ready to answer: GET /readyz says why; try again when it answers 200.")
        if version not in (None, model.manifest.version):
            reasons = {str(known.number): known.reason for known in self.store.versions()}
            why = f"Version {version} does not serve" if version in reasons else f"There is no version {shown(version)}"
            raise UnknownRoute(f"{why}: ask for {model.manifest.version}. {reasons.get(version, '')}".rstrip())
        return model

    def ready(self) -> Serving:
        """Return the model that serves, or raise NotReady if none does or the process is stopping."""
        if self.draining():
            raise NotReady("This process is shutting down: send requests to another one.")
        if self.store.serving is None:
            raise NotReady(self.store.reason)
        return self.store.serving

    def parse(self, read: Read, request: Request) -> Question:
        """Return the question in a request, its pictures opened, or raise a RequestError."""
        question = read(request, self.settings)
        question.pictures = [attempt(still, each) if isinstance(each, bytes) else each for each in question.pictures]
        memory = sum(pixels(each) * each.pixel_bytes for each in question.pictures if isinstance(each, Still))
        if memory > _MOST_MEMORY * PIXEL_BYTES * self.settings.max_pixels:
            raise TooLarge("The pictures are too large together: send fewer in a request.")
        return question

    def read_next(self, question: Question) -> None:
        """Read the next picture of a question, or raise why it cannot be read, unless the question keeps errors."""
        index = len(question.digits)
        picture = question.pictures[index]
        try:
            if isinstance(picture, RequestError):
                raise picture
            started = perf_counter()
            grey = decode(picture, max_pixels=self.settings.max_pixels)
            decoded = perf_counter()
            question.digits.append(question.form(picture, grey))
        except RequestError as error:
            if question.list_name:
                raise question.named(index, error) from error
            if not question.keeps_errors:
                raise
            self.metrics.errors.labels(error.code).inc()
            question.digits.append(error)
        else:
            self.metrics.read(max(grey.shape), decoded - started, perf_counter() - decoded)

    def run(self, model: Serving, images: Images, fitted: Fitted) -> Probabilities:
        """Return the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28].

        Those that were `fitted` may get a second look; the others are the model's own input.
        """
        if len(images) == 0:
            return np.zeros((0, len(LABELS)), np.float32)
        started = perf_counter()
        probabilities = model.engine.read(images, model.manifest.certain_from, fitted)
        self.metrics.ran(len(images), perf_counter() - started)
        return probabilities

    def answer(self, question: Question, model: Serving, probabilities: Probabilities) -> Response:
        """Return the answer to a question, and count it."""
        response = question.answer(model.manifest, probabilities)
        question.count(self.metrics, model.manifest, probabilities)
        return response

    def respond(self, read: Read, request: Request, name: str | None = None, version: str | None = None) -> Response:
        """Answer a prediction request in this thread, as Flask does; `front` runs the same steps on the loop."""
        model = self.model(name, version)
        question = self.parse(read, request)
        for _ in question.pictures:
            self.read_next(question)
        return self.answer(question, model, self.run(model, *question.inputs()))


def pixels(picture: Picture) -> int:
    """Return the width times height of an opened picture, 0 where it cannot be read."""
    return picture.width * picture.height if isinstance(picture, Still) else 0


def attempt(read: Callable[[Any], T], picture: Any) -> T | RequestError:
    """Return what `read` makes of a picture, or its error."""
    try:
        return read(picture)
    except RequestError as error:
        return error


def service() -> Service:
    """Return the service of the current Flask request."""
    from flask import current_app  # takes long to import, and commands do without

    return cast(Service, current_app.extensions[EXTENSION])


def to_json(value: object) -> bytes:
    """Return a value as compact JSON and a newline; float32 as the shortest decimals that stand for it."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def described(error: DigitsError) -> dict[str, str]:
    """Return an error as JSON fields."""
    return {"error": str(error), "code": error.code}


def problem(error: DigitsError) -> Response:
    """Return the response for an error."""
    return Response(to_json(described(error)), (*JSON, *error.headers), error.status)


def check_names(found: Any, known: Sequence[str], what: str) -> None:
    """Raise MalformedRequest for a name that is not `known`: a misspelt option must not be ignored."""
    unknown = [name for name in found if name not in known]
    if unknown:
        takes = ", ".join(f"`{name}`" for name in known) or "none"
        raise MalformedRequest(f"Unknown {what} {shown(unknown[0])}: correct or remove it; known are {takes}.")


def at_most(count: int, most: int, what: str = "pictures") -> None:
    """Raise TooLarge if there are more than `most` pictures."""
    if count > most:
        raise TooLarge(f"There are {shown(count)} {what}, {most} are allowed: send the rest in another request.")


def body_too_large(settings: Settings) -> TooLarge:
    """Return the error for a body of more bytes than are allowed."""
    return TooLarge(f"The body has more than {settings.max_upload_bytes:,} bytes: send less.")


def shown(value: object) -> str:
    """Return a client's value for use in an error message: escaped and shortened."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
