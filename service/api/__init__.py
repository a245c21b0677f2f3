"""What every blueprint works with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import current_app

from service.admission import Admission
from service.batcher import Batcher
from service.errors import NotReady
from service.inference.store import ModelStore, Serving
from service.logs import current
from service.metrics import Metrics
from service.settings import Settings

EXTENSION = "digits"
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")  # a header of every answer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Service:
    """The parts of a running service; `draining` says whether it has been told to stop."""

    settings: Settings
    store: ModelStore
    metrics: Metrics
    admission: Admission
    batcher: Batcher[Serving]
    draining: Callable[[], bool] = lambda: False

    def serving(self) -> Serving:
        """Return the model that serves at this moment.

        Raises:
            NotReady: there is none.
        """
        found = self.store.serving
        if found is None:
            raise NotReady("No model is ready to answer: GET /readyz says why; try again when it answers 200.")
        return found


def service() -> Service:
    """Return the service that the current request is for."""
    return cast(Service, current_app.extensions[EXTENSION])


def admitted(view: Callable[P, R]) -> Callable[P, R]:
    """Make `view` a prediction, of which a worker takes on only so many.

    Raises:
        TooBusy: there are as many.
    """

    @wraps(view)
    def admitting(*args: P.args, **kwargs: P.kwargs) -> R:
        with service().admission.prediction():
            return view(*args, **kwargs)

    return admitting


def refused(code: str) -> None:
    """Count and note that the current request is answered with an error."""
    service().metrics.refused(code)
    if notes := current.get():
        notes.code = code


def ready() -> Serving:
    """Return the model that serves, in a process that has not been told to stop.

    Raises:
        NotReady: there is none, or it has.
    """
    here = service()
    if here.draining():
        raise NotReady("This process is shutting down: send requests to another one.")
    model = here.store.serving
    if model is None:
        raise NotReady(here.store.reason)
    return model
