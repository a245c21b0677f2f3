"""Prometheus metrics of all workers together.

Under gunicorn the workers count in shared files (prometheus-client's multiprocess mode), named by worker number: a
worker that replaces a dead one continues its counts.
"""

import os
import platform
import struct
import threading
from bisect import bisect_left
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service import __version__
from service.contract import CONTRACT_VERSION, IMAGE_SIDE, LABELS
from service.http.logs import Notes
from service.inference.engine import Images, Probabilities
from service.inference.store import REJECTIONS, Serving

STAGES = ("decode", "canonical", "inference", "total")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))

_SECONDS = tuple(float(f"{part}e{power}") for power in range(-5, 1) for part in (1, 2.5, 5))
_PIXELS = (28, 56, 112, 224, 448, 896, 1792, 3584, 7168)
_PICTURES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_NUMBER_DIGITS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32)
_CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1)
_SHARES = (0.02, 0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.23, 0.26, 0.3, 0.35, 0.4, 0.5, 1)

_AREA = IMAGE_SIDE * IMAGE_SIDE
_ATTEMPTS, _PAUSE = 100, 0.01  # seconds

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics(Collector):
    """Metrics of this process. Collecting yields those of all workers that share `directory`."""

    def __init__(self, directory: Path | None = None) -> None:
        """Count in the files in `directory` (see `join`), or without one for this process alone."""
        self._directory = directory
        self._own = CollectorRegistry()
        counter = partial(Counter, namespace="digits", registry=self._own)
        gauge = partial(Gauge, namespace="digits", registry=self._own, multiprocess_mode="livesum")
        histogram = partial(Histogram, namespace="digits", registry=self._own)
        self._requests = counter("requests", "Requests answered.", ("route", "method", "status"))
        self.in_flight = gauge("requests_in_flight", "Requests being answered now, including this scrape.")
        self.errors = counter("refusals", "Errors answered, including those inside a batch.", ("code",))
        about = "Time of each stage: decode and canonical of a picture, inference of a batch, total of a request."
        stages = histogram("stage_seconds", about, ("stage",), buckets=(*_SECONDS, 10))
        self.seconds = {stage: stages.labels(stage) for stage in STAGES}
        self._batch = histogram("batch_pictures", "Pictures in a run of the model.", buckets=_PICTURES)
        about = "When the model ran last, in Unix time."
        self._last = gauge("last_run_timestamp_seconds", about, multiprocess_mode="max")
        self._side = histogram("picture_pixels", "Longer side of the pictures, in pixels.", buckets=_PIXELS)
        self._ink = histogram("ink_ratio", "Share of the 28x28 pixels that have ink.", buckets=_SHARES)
        predictions = counter("predictions", "Predictions.", ("digit", "certain"))
        self._predictions = [[predictions.labels(label, word) for word in ("false", "true")] for label in LABELS]
        self.corrections = counter("corrections", "Corrections kept.", ("answered", "corrected"))
        numbers = histogram("number_digits", "Digits of the numbers read.", ("certain",), buckets=_NUMBER_DIGITS)
        self.numbers = [numbers.labels(word) for word in ("false", "true")]
        self._confidence = histogram("confidence_ratio", "Probability of the digit answered.", buckets=_CONFIDENCES)
        about = "1 for the model that serves; two while the workers switch to a new one."
        labels = ("name", "version", "provider", "file")
        self._model_info = gauge("model_info", about, labels, multiprocess_mode="livemax")
        self._model: Gauge | None = None
        about = "Versions loaded or rejected, by each worker, and why."
        self._loads = counter("model_loads", about, ("result", "reason"))
        self._loads.labels("success", "")
        for code in REJECTIONS:
            self._loads.labels("failure", code)
        gauge("workers", "Workers alive.").set(1)
        self._ready = gauge("workers_ready", "Workers in which a model serves.")
        counter("worker_starts", "Workers started since the server started.").inc()
        parts = {"version": __version__, "contract": CONTRACT_VERSION, "python": platform.python_version()}
        parts["onnxruntime"] = ort.__version__
        build = gauge("build_info", "1; versions of the service and its parts.", [*parts], multiprocess_mode="livemax")
        build.labels(**parts).set(1)
        self._reads: deque[tuple[int, float, float]] = deque()
        self._answers: deque[tuple[Images, Probabilities, npt.NDArray[np.float64]]] = deque()
        self._flushing = threading.Lock()

    def answered(self, notes: Notes) -> None:
        """Count an answer by route rule, not by path: each label value is a time series."""
        self.in_flight.dec()
        method = notes.method if notes.method in METHODS else "other"
        self._requests.labels(notes.route, method, str(notes.status)).inc()
        if notes.code:
            self.errors.labels(notes.code).inc()
        if notes.pictures:
            self.seconds["total"].observe(notes.seconds)

    def read(self, side: int, decode_seconds: float, canonical_seconds: float) -> None:
        """Count a picture by its longer side in pixels and the time of its stages."""
        self._reads.append((side, decode_seconds, canonical_seconds))

    def flush(self) -> None:
        """Count what was read and predicted since the last call: one by one takes four times as long."""
        with self._flushing:  # the loop and a scrape in a thread may both come
            reads = [self._reads.popleft() for _ in range(len(self._reads))]
            answers = [self._answers.popleft() for _ in range(len(self._answers))]
        if reads:
            histograms = (self._side, self.seconds["decode"], self.seconds["canonical"])
            for histogram, observed in zip(histograms, zip(*reads, strict=True), strict=True):
                _observe(histogram, observed)
        if answers:
            together = answers[0] if len(answers) == 1 else map(np.concatenate, zip(*answers, strict=True))
            self._count_predictions(*together)

    def ran(self, count: int, seconds: float) -> None:
        self.seconds["inference"].observe(seconds)
        self._batch.observe(count)
        self._last.set_to_current_time()

    def predicted(self, images: Images, probabilities: Probabilities, certain_from: float) -> None:
        """Count predictions, uint8 [N, 28, 28] to float32 [N, 10], N at least 1."""
        self._answers.append((images, probabilities, np.full(len(images), certain_from)))

    def _count_predictions(self, images: Images, probabilities: Probabilities, certain_from: npt.NDArray[Any]) -> None:
        inked = (images.reshape(-1, _AREA) > 0).view(np.uint8)  # numpy takes eight times as long to count them
        _observe(self._ink, (cv2.reduce(inked, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S) / _AREA).ravel().tolist())
        confidences = probabilities.max(axis=1)
        _observe(self._confidence, confidences.tolist())
        kinds = 2 * probabilities.argmax(axis=1) + (confidences >= certain_from)
        for kind, count in Tally(kinds.tolist()).items():
            self._predictions[kind // 2][kind % 2].inc(count)

    def model(self, serving: Serving | str) -> None:
        """Count a version that serves from now on, or the error code of a rejected one."""
        if isinstance(serving, str):
            self._loads.labels("failure", serving).inc()
            return
        self._loads.labels("success", "").inc()
        if self._model is not None:
            self._model.set(0)
        manifest, engine = serving.manifest, serving.engine
        self._model = self._model_info.labels(manifest.name, manifest.version, engine.provider, engine.file)
        self._model.set(1)
        self._ready.set(1)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of all workers, without models that no longer serve."""
        self.flush()
        for family in _of_all_workers(self._directory) if self._directory else self._own.collect():
            if family.name == "digits_model_info":
                family.samples = [sample for sample in family.samples if sample.value]
            yield family


def _of_all_workers(directory: Path) -> list[Metric]:
    """Return the metrics of all workers; retry while the files of a starting worker are empty."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    for _ in range(_ATTEMPTS):
        with suppress(struct.error):
            return list(registry.collect())
        sleep(_PAUSE)
    return list(registry.collect())


def _observe(histogram: Histogram, observed: Sequence[float]) -> None:
    """Observe many values at once: one by one takes as long for 256 images as the model does."""
    for bucket, count in Tally(bisect_left(histogram._upper_bounds, value) for value in observed).items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(sum(observed))


def join(directory: Path, number: int) -> Metrics:
    """Return the metrics of worker `number`. Call this after the fork, once in a process."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    return Metrics(directory)
