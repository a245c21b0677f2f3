"""What is counted and measured while the service runs, of all workers together, for Prometheus.

`DEFINITIONS` is the table of all metrics.
"""

import platform
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service import __version__
from service.board import Board, Key, Row
from service.contract import CONTRACT_VERSION, IMAGE_SIDE, LABELS
from service.inference.engine import Images, Probabilities
from service.inference.store import REFUSALS, Serving
from service.logs import UNMATCHED

_SECONDS = (
    1e-5,
    2.5e-5,
    5e-5,
    1e-4,
    2.5e-4,
    5e-4,
    1e-3,
    2.5e-3,
    5e-3,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
)
_PIXELS = (28, 56, 112, 224, 448, 896, 1792, 3584, 7168)
_PICTURES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1)
_SHARES = (0.02, 0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.23, 0.26, 0.3, 0.35, 0.4, 0.5, 1)

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_STAGES = ("decode", "canonical", "inference", "total")
_SUM = "sum"
_AREA = IMAGE_SIDE * IMAGE_SIDE

_Note = TypeVar("_Note")


@dataclass(frozen=True)
class Definition:
    """One metric; `bounds` are the upper ends of a histogram's buckets, the last of which has none."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def ends(self) -> tuple[str, ...]:
        """The values of `le`."""
        return (*map(str, map(float, self.bounds)), "+Inf")


DEFINITIONS = {
    definition.name: definition
    for definition in (
        Definition("digits_requests_total", "counter", "Requests answered.", ("route", "method", "status")),
        Definition("digits_requests_in_flight", "gauge", "Requests being answered now, this scrape among them."),
        Definition("digits_refusals_total", "counter", "Errors answered, those inside a batch among them.", ("code",)),
        Definition(
            "digits_stage_seconds",
            "histogram",
            "Time of each stage: decode and canonical of a picture, inference of a batch, total of a request.",
            ("stage",),
            _SECONDS,
        ),
        Definition("digits_batch_pictures", "histogram", "Pictures in a run of the model.", bounds=_PICTURES),
        Definition("digits_picture_pixels", "histogram", "Longer side of the pictures, in pixels.", bounds=_PIXELS),
        Definition("digits_ink_ratio", "histogram", "Share of the 28x28 pixels that hold ink.", bounds=_SHARES),
        Definition("digits_predictions_total", "counter", "Predictions.", ("digit", "certain")),
        Definition("digits_confidence_ratio", "histogram", "Probability of the digit answered.", bounds=_CONFIDENCES),
        Definition(
            "digits_model_info",
            "gauge",
            "1 for the model that serves; two stand here only while the workers change over.",
            ("name", "version", "provider", "file"),
        ),
        Definition(
            "digits_model_loads_total",
            "counter",
            "Versions taken or refused, by each worker, and why.",
            ("result", "reason"),
        ),
        Definition("digits_workers", "gauge", "Workers that live."),
        Definition("digits_workers_ready", "gauge", "Workers in which a model serves."),
        Definition("digits_worker_starts_total", "counter", "Workers started since the server started."),
        Definition(
            "digits_build_info",
            "gauge",
            "1; what this service is made of.",
            ("version", "contract", "python", "onnxruntime"),
        ),
    )
}


class _Histogram:
    """The cells of one histogram with its labels."""

    def __init__(self, row: Row, definition: Definition, *labels: str) -> None:
        self._values = row.values
        self._bounds = definition.bounds
        self._cells = [row.cell(definition.name, *labels, end) for end in (*definition.ends, _SUM)]

    def observe(self, values: npt.ArrayLike) -> None:
        """Count each of `values`, of any number."""
        observed = np.asarray(values, np.float64)
        for bucket, count in Counter(np.searchsorted(self._bounds, observed).tolist()).items():
            self._values[self._cells[bucket]] += count
        self._values[self._cells[-1]] += float(observed.sum())


class Metrics(Collector):
    """What one worker counts into its row of the board, and what all of them have counted.

    A request only leaves a note of what happened to it, and `flush` counts many notes at once: counting each by itself
    would make a request 2% slower.
    """

    def __init__(self, board: Board | None = None, row: int = 0) -> None:
        """Count into that row of `board`; without one, into memory of this process's own."""
        self._board = board or Board(1)
        self._row = self._board.row(row)
        self._row.retire()
        self._values = self._row.values
        self._counting = threading.Lock()
        self._cells: dict[Key, int] = {}
        self._name_cells()
        self._answers: deque[tuple[str, str, str, float | None]] = deque()
        self._reads: deque[tuple[int, float, float]] = deque()
        self._runs: deque[tuple[npt.NDArray[np.int32], Probabilities, float, float]] = deque()
        self._add(self._cell("digits_workers"))
        self._add(self._cell("digits_worker_starts_total"))

    def _name_cells(self) -> None:
        """Name what is known beforehand, so that it stands at 0 from the start."""
        self._in_flight = self._cell("digits_requests_in_flight")
        self._stage = {stage: self._histogram("digits_stage_seconds", stage) for stage in _STAGES}
        self._batch = self._histogram("digits_batch_pictures")
        self._side = self._histogram("digits_picture_pixels")
        self._ink = self._histogram("digits_ink_ratio")
        self._confidence = self._histogram("digits_confidence_ratio")
        for label in LABELS:
            for certain in (True, False):
                self._prediction(label, certain)
        self._taken = self._cell("digits_model_loads_total", "success", "")
        for code in REFUSALS:
            self._cell("digits_model_loads_total", "failure", code)
        self._ready = self._cell("digits_workers_ready")
        self._model = self._ready  # nothing serves yet

    def _histogram(self, name: str, *labels: str) -> _Histogram:
        return _Histogram(self._row, DEFINITIONS[name], *labels)

    def _request(self, route: str, method: str, status: str) -> int:
        return self._cell("digits_requests_total", route, method if method in _METHODS else "other", status)

    def _prediction(self, digit: str, certain: bool) -> int:
        return self._cell("digits_predictions_total", digit, "true" if certain else "false")

    def _cell(self, *key: str) -> int:
        if key not in self._cells:
            self._cells[key] = self._row.cell(*key, live=DEFINITIONS[key[0]].kind == "gauge")
        return self._cells[key]

    def _add(self, cell: int, amount: float = 1) -> None:
        with self._counting:
            self._values[cell] += amount

    def started(self) -> None:
        """Count a request that has begun."""
        self._add(self._in_flight)

    def ended(self, route: str, method: str, status: str, seconds: float | None) -> None:
        """Note a request that has begun and is over; `status` is empty where nothing was answered.

        `route` is the rule of the URL, never the path, because each one becomes a time series. `seconds` are those of
        a request for predictions, None of any other: how long the probes take would hide it.
        """
        self._add(self._in_flight, -1)
        self._answers.append((route, method, status, seconds))

    def refused(self, code: str) -> None:
        """Count an error that a client was told."""
        self._add(self._cell("digits_refusals_total", code))

    def unread(self, status: str, code: str) -> None:
        """Count a request that was refused before it could be read."""
        self._add(self._request(UNMATCHED, "", status))
        self.refused(code)

    def shed(self, rule: str) -> None:
        """Count a prediction that was refused, at one of the rules that predict, before anybody looked at it."""
        self._answers.append((rule, "POST", "429", None))
        self.refused("too_busy")

    def read(self, side: int, decode_seconds: float, canonical_seconds: float) -> None:
        """Note a picture that was read: its longer side in pixels, and the time that its stages took."""
        self._reads.append((side, decode_seconds, canonical_seconds))

    def ran(self, images: Images, probabilities: Probabilities, certain_from: float, seconds: float) -> None:
        """Note a run of the model, uint8 [N, 28, 28] to float32 [N, 10]; these must stay as they are."""
        self._runs.append((_inked(images), probabilities, certain_from, seconds))

    def flush(self) -> None:
        """Count what has been noted."""
        if not (self._answers or self._reads or self._runs):
            return
        with self._counting:
            self._count_answers(_taken(self._answers))
            self._count_reads(_taken(self._reads))
            self._count_runs(_taken(self._runs))

    def watch(self, seconds: float = 0.1) -> None:
        """Flush every so many seconds from now on, from a thread of its own. Call this after the fork.

        Counting takes 3 us a request and holds up all others: what a busy second leaves would take 10 ms at once.
        """
        threading.Thread(target=self._watch, args=(seconds,), name="metrics", daemon=True).start()

    def _watch(self, seconds: float) -> None:
        while True:
            time.sleep(seconds)
            self.flush()

    def _count_answers(self, answers: Sequence[tuple[str, str, str, float | None]]) -> None:
        for request, count in Counter(answer[:3] for answer in answers if answer[2]).items():
            self._values[self._request(*request)] += count
        self._stage["total"].observe([answer[3] for answer in answers if answer[3] is not None])

    def _count_reads(self, reads: Sequence[tuple[int, float, float]]) -> None:
        sides, decodes, canonicals = zip(*reads, strict=True) if reads else ((), (), ())
        self._side.observe(sides)
        self._stage["decode"].observe(decodes)
        self._stage["canonical"].observe(canonicals)

    def _count_runs(self, runs: Sequence[tuple[npt.NDArray[np.int32], Probabilities, float, float]]) -> None:
        if not runs:
            return
        inked, rows, thresholds, seconds = zip(*runs, strict=True)
        sizes = [len(batch) for batch in inked]
        self._stage["inference"].observe(seconds)
        self._batch.observe(sizes)
        self._ink.observe(np.concatenate(inked) / _AREA)
        probabilities = np.concatenate(rows)
        confidences = probabilities.max(axis=1)
        self._confidence.observe(confidences)
        digits, certain = probabilities.argmax(axis=1), confidences >= np.repeat(thresholds, sizes)
        for (digit, sure), count in Counter(zip(digits.tolist(), certain.tolist(), strict=True)).items():
            self._values[self._prediction(LABELS[digit], sure)] += count

    def model(self, serving: Serving | str) -> None:
        """Count a version that was taken and serves from now on, or the code of the error for which one was refused."""
        if isinstance(serving, str):
            self._add(self._cell("digits_model_loads_total", "failure", serving))
            return
        self._add(self._taken)
        manifest, engine = serving.manifest, serving.engine
        taken = self._cell("digits_model_info", manifest.name, manifest.version, engine.provider, engine.file)
        with self._counting:
            self._values[self._model] = 0
            self._values[taken] = self._values[self._ready] = 1
        self._model = taken

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of all workers; prometheus-client writes them in the format that the scraper wants."""
        self.flush()
        totals = self._board.totals()
        build = ("digits_build_info", __version__, CONTRACT_VERSION, platform.python_version(), ort.__version__)
        for definition in DEFINITIONS.values():
            series = {key[1:]: value for key, value in {**totals, build: 1.0}.items() if key[0] == definition.name}
            yield _family(definition, series)


def _inked(images: Images) -> npt.NDArray[np.int32]:
    """Return how many pixels of each image hold ink, int32 [N]. numpy would take eight times as long to count."""
    if len(images) == 0:
        return np.zeros(0, np.int32)
    holds_ink = (images.reshape(-1, _AREA) > 0).view(np.uint8)
    return np.asarray(cv2.reduce(holds_ink, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32).ravel()


def _taken(notes: deque[_Note]) -> list[_Note]:
    """Take what has been noted so far; others go on appending meanwhile."""
    return [notes.popleft() for _ in range(len(notes))]


def _family(definition: Definition, series: dict[Key, float]) -> Metric:
    """Return the time series of one metric; the last part of a histogram's key is the bucket's end, or `sum`."""
    if definition.kind == "histogram":
        return _histogram_family(definition, series)
    kind = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    family = kind(definition.name, definition.help, labels=definition.labels)
    for labels, value in sorted(series.items()):
        if not definition.name.endswith("_info"):
            family.add_metric(labels, value)
        elif value:  # it says which there are, not in how many workers
            family.add_metric(labels, 1)
    return family


def _histogram_family(definition: Definition, series: dict[Key, float]) -> Metric:
    family = HistogramMetricFamily(definition.name, definition.help, labels=definition.labels)
    for labels in sorted({key[:-1] for key in series}):
        counts = accumulate(series.get((*labels, end), 0.0) for end in definition.ends)
        buckets = list(zip(definition.ends, counts, strict=True))
        family.add_metric(labels, buckets, series.get((*labels, _SUM), 0.0))
    return family
