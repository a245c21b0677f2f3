"""What every route that predicts does with its pictures: read them, run the model; measured, and noted for the log."""

from time import perf_counter

from service.api import Service
from service.batcher import Batcher
from service.contract import IMAGE_SIDE
from service.errors import RequestError
from service.inference.engine import Images, Probabilities
from service.inference.store import Serving
from service.logs import current
from service.metrics import Metrics
from service.preprocessing.decode import decode
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_already, canonical_digit
from service.settings import Settings


def read_digit(here: Service, content: bytes) -> Grey:
    """Return the digit in the bytes of an image file as the model wants it, uint8 [28, 28].

    Raises:
        RequestError: the bytes are no picture that is read, or there is no digit in it.
    """
    started = perf_counter()
    grey = decode(content, max_pixels=here.settings.max_pixels)
    decoded = perf_counter()
    digit = canonical_digit(grey)
    here.metrics.read(max(grey.shape), decoded - started, perf_counter() - decoded)
    return digit


def read_canonical(here: Service, content: bytes) -> Grey | None:
    """Return the digit in the bytes of an image file, uint8 [28, 28], if it is in MNIST's form already, else None."""
    started = perf_counter()
    try:
        grey = decode(content, max_pixels=IMAGE_SIDE * IMAGE_SIDE)
    except RequestError:
        return None
    decoded = perf_counter()
    digit = canonical_already(grey)
    if digit is not None:
        here.metrics.read(IMAGE_SIDE, decoded - started, perf_counter() - decoded)
    return digit


def run(here: Service, model: Serving, images: Images, *, waited: bool = False) -> Probabilities:
    """Return the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28], which may have `waited` for others."""
    probabilities = here.batcher.run(model, images, waited=waited)
    if notes := current.get():
        notes.pictures += len(images)
    return probabilities


def make_batcher(settings: Settings, metrics: Metrics) -> Batcher[Serving]:
    """Return what runs the model for the requests of a worker, each run measured."""

    def compute(model: Serving, images: Images) -> Probabilities:
        started = perf_counter()
        probabilities = model.engine.run(images)
        seconds = perf_counter() - started
        metrics.ran(images, probabilities, model.manifest.certain_from, seconds)
        return probabilities

    return Batcher(
        compute,
        window=settings.batch_window_us / 1e6,
        most=settings.max_batch,
        patience=settings.request_seconds,
    )
