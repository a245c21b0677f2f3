"""The parts of a running service, and the steps of every prediction: read pictures, run the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple, cast

import numpy as np
from flask import current_app

from service.contract import IMAGE_SIDE, LABELS
from service.errors import NotReady, RequestError, UnknownRoute
from service.http.messages import Question, Read, Request, Response, shown
from service.http.metrics import Metrics
from service.inference import second_look
from service.inference.engine import Images, Probabilities
from service.inference.store import ModelStore, Serving
from service.preprocessing.decode import decode
from service.preprocessing.illumination import Grey
from service.settings import Settings

EXTENSION = "digits"


class Trial(NamedTuple):
    """The model that serves, run over what may be digits: its answers are no predictions yet."""

    serving: Serving


@dataclass
class Service:
    """The parts of a running service; `draining` says whether it has been told to stop."""

    settings: Settings
    store: ModelStore
    metrics: Metrics = field(default_factory=Metrics)
    draining: Callable[[], bool] = lambda: False

    def model(self, name: str | None = None, version: str | None = None) -> Serving:
        """Return the model that serves, or raise NotReady.

        A client may name it and its version: UnknownRoute is raised where that is another one.
        """
        if name not in (None, self.settings.model_name):
            raise UnknownRoute(f"No model {shown(name)} is served: ask for {self.settings.model_name!r}.")
        model = self.store.serving
        if model is None:
            raise NotReady("No model is ready to answer: GET /readyz says why; try again when it answers 200.")
        if version in (None, model.manifest.version):
            return model
        reasons = {str(known.number): known.reason for known in self.store.versions()}
        ask_for = f"ask for {model.manifest.version}."
        if version in reasons:
            raise UnknownRoute(f"Version {version} does not serve: {ask_for} {reasons[version]}")
        raise UnknownRoute(f"There is no version {shown(version)}: {ask_for}")

    def digit(self, question: Question, index: int) -> Grey | RequestError:
        """Return the digit in a picture of a question as the model wants it, uint8 [28, 28].

        Of a picture that cannot be read its error is returned, or raised, as the question has it.
        """
        picture = question.pictures[index]
        try:
            if isinstance(picture, RequestError):
                raise picture
            started = perf_counter()
            grey = decode(picture, max_pixels=self.settings.max_pixels)
            decoded = perf_counter()
            digit = question.form(index, grey)
        except RequestError as error:
            kept = question.unreadable(index, error)
            self.metrics.error(kept.code)  # it stands inside a batch
            return kept
        self.metrics.read(max(grey.shape), decoded - started, perf_counter() - decoded)
        return digit

    def run(self, model: Serving | Trial, images: Images, pictures: int) -> Probabilities:
        """Return the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28].

        The first `pictures` of them get a second look where they need it; the others are the model's own input.
        """
        if len(images) == 0:
            return np.zeros((0, len(LABELS)), np.float32)
        serving = model.serving if isinstance(model, Trial) else model
        started = perf_counter()
        certain_from = serving.manifest.certain_from
        probabilities = second_look.read(serving.engine, images, certain_from, pictures)
        self.metrics.ran(len(images), perf_counter() - started)
        if not isinstance(model, Trial):
            self.metrics.predicted(images, probabilities, certain_from)
        return probabilities

    def answer(
        self, question: Question, model: Serving, digits: list[Grey | RequestError], probabilities: Probabilities
    ) -> Response:
        """Return the answer to a question, and count it."""
        response = question.answer(model, digits, probabilities)
        question.count(self.metrics, model.manifest.certain_from, probabilities)
        return response

    def respond(self, read: Read, request: Request, name: str | None = None, version: str | None = None) -> Response:
        """Answer a prediction request in this thread, as Flask does; `front` runs the same steps on the loop."""
        model = self.model(name, version)
        question = read(request, self.settings)
        digits = [self.digit(question, index) for index in range(len(question.pictures))]
        images = images_of(question, digits)
        pictures = len(images) if question.images is None else 0
        probabilities = self.run(Trial(model) if question.counts_itself else model, images, pictures)
        return self.answer(question, model, digits, probabilities)

    def ready(self) -> Serving:
        """Return the model that serves, or raise NotReady if none does or the process is stopping."""
        if self.draining():
            raise NotReady("This process is shutting down: send requests to another one.")
        if self.store.serving is None:
            raise NotReady(self.store.reason)
        return self.store.serving


def images_of(question: Question, digits: Sequence[Grey | RequestError]) -> Images:
    """Return the input of the model, uint8 [N, 28, 28]."""
    if question.images is not None:
        return question.images
    readable = [digit for digit in digits if not isinstance(digit, RequestError)]
    if len(readable) == 1:
        return readable[0][np.newaxis]
    return np.stack(readable) if readable else np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8)


def service() -> Service:
    """Return the service of the current Flask request."""
    return cast(Service, current_app.extensions[EXTENSION])
