"""Metrics: what a request changes."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families
from werkzeug.test import Client

from service.http.answering import Service
from service.http.app import open_service
from service.http.front import Front
from service.http.logs import Notes
from service.http.metrics import Metrics
from service.settings import Settings
from tests import door, drawing, factory
from tests.server import multipart

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

# Users' dashboards and alerts depend on these names, types and labels.
METRICS = {
    "digits_requests_total": ("counter", {"route", "method", "status"}),
    "digits_requests_in_flight": ("gauge", set()),
    "digits_refusals_total": ("counter", {"code"}),
    "digits_stage_seconds": ("histogram", {"stage"}),
    "digits_batch_pictures": ("histogram", set()),
    "digits_last_run_timestamp_seconds": ("gauge", set()),
    "digits_picture_pixels": ("histogram", set()),
    "digits_ink_ratio": ("histogram", set()),
    "digits_predictions_total": ("counter", {"digit", "certain"}),
    "digits_corrections_total": ("counter", set()),  # none yet, so no labels either
    "digits_number_digits": ("histogram", {"certain"}),
    "digits_confidence_ratio": ("histogram", set()),
    "digits_model_info": ("gauge", {"name", "version", "provider", "file"}),
    "digits_model_loads_total": ("counter", {"result", "reason"}),
    "digits_workers": ("gauge", set()),
    "digits_workers_ready": ("gauge", set()),
    "digits_worker_starts_total": ("counter", set()),
    "digits_build_info": ("gauge", {"version", "contract", "python", "onnxruntime"}),
}


@pytest.fixture
def client(door_client: Client) -> Client:
    """A client of the door, which alone counts requests."""
    return door_client


def parsed(text: str) -> Samples:
    """Return the samples of a scrape by name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_families(text)
        for sample in family.samples
    }


def scraped(client: Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    return parsed(response.get_data(as_text=True))


def of(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of the samples with that name which have these labels."""
    wanted = set(labels.items())
    found = [value for (sample, has), value in samples.items() if sample == name and wanted <= has]
    return sum(found)


def send(client: Client, content: bytes = b"", path: str = "/predict", **options: Any) -> int:
    return client.post(path, data=content or drawing.png(), content_type="image/png", **options).status_code


def test_all_series_exist_from_the_start(client: Client) -> None:
    client.get("/nothing")
    text = client.get("/metrics").get_data(as_text=True)
    families = {family.name: family for family in text_families(text)}
    assert {name.removesuffix("_total") for name in METRICS} == set(families)
    for name, (kind, labels) in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert family.type == kind
        assert family.documentation.endswith(".")
        assert {label for sample in family.samples for label in sample.labels} - {"le"} == labels, name


def test_a_prediction(client: Client) -> None:
    before = scraped(client)
    answer = client.post("/predict", data=drawing.png(), content_type="image/png").get_json()
    after = scraped(client)

    def more(name: str, **labels: str) -> float:
        return of(after, name, **labels) - of(before, name, **labels)

    assert more("digits_requests_total", route="/predict", method="POST", status="200") == 1
    assert more("digits_predictions_total", digit="7", certain="true") == more("digits_predictions_total") == 1
    for stage in ("decode", "canonical", "inference", "total"):
        assert more("digits_stage_seconds_count", stage=stage) == 1
        assert 0 < more("digits_stage_seconds_sum", stage=stage) < 5
    parts = sum(more("digits_stage_seconds_sum", stage=stage) for stage in ("decode", "canonical", "inference"))
    assert parts < more("digits_stage_seconds_sum", stage="total")
    assert more("digits_picture_pixels_sum") == 120
    assert more("digits_batch_pictures_sum") == more("digits_batch_pictures_count") == 1
    assert more("digits_refusals_total") == 0
    assert more("digits_confidence_ratio_sum") == pytest.approx(answer["confidence"], abs=1e-6)
    assert more("digits_ink_ratio_sum") == pytest.approx(np.count_nonzero(factory.templates()[7]) / 784)


def test_buckets_are_cumulative_and_hold_their_ends() -> None:
    metrics = Metrics()
    for side in (28, 29, 56, 100_000):
        metrics.read(side, 0.001, 0.002)
    [family] = [family for family in metrics.collect() if family.name == "digits_picture_pixels"]
    counts = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert (counts["28.0"], counts["56.0"], counts["7168.0"], counts["+Inf"]) == (1, 3, 3, 4)


@pytest.mark.parametrize("count", [1, 2, 32, 33, 500])
def test_a_batch_is_counted_image_by_image(count: int) -> None:
    random = np.random.default_rng(count)
    images = (random.random((count, 28, 28)) < 0.2).astype(np.uint8)
    probabilities = random.dirichlet(np.ones(10) / 5, count).astype(np.float32).reshape(count, 10)
    metrics = Metrics()
    metrics.ran(len(images), 0.01)
    metrics.predicted(images, probabilities, 0.6)
    samples = {(s.name, frozenset(s.labels.items())): s.value for family in metrics.collect() for s in family.samples}
    assert of(samples, "digits_batch_pictures_sum") == count
    assert of(samples, "digits_ink_ratio_sum") == pytest.approx(images.sum() / 784)
    assert of(samples, "digits_ink_ratio_count") == of(samples, "digits_confidence_ratio_count") == count
    for digit in range(10):
        rows = [row for row in probabilities if row.argmax() == digit]
        for certain in (True, False):
            expected = sum((row.max() >= np.float32(0.6)) == certain for row in rows)
            assert of(samples, "digits_predictions_total", digit=str(digit), certain=str(certain).lower()) == expected


def test_an_uncertain_answer(tmp_path: Path) -> None:
    factory.publish(tmp_path, promised=factory.at_temperature(9), certain_from=1.0)
    client = door.client_for(Settings(models_dir=tmp_path, provider="cpu"))
    assert send(client) == 200
    assert of(scraped(client), "digits_predictions_total", digit="7", certain="false") == 1


def test_a_batch_with_one_error(client: Client) -> None:
    body, headers = multipart([("image", content) for content in (drawing.png(3), b"no picture", b"")])
    assert client.post("/predict/batch", data=body, headers=headers).status_code == 200
    samples = scraped(client)
    assert of(samples, "digits_refusals_total", code="unsupported_image") == 1
    assert of(samples, "digits_refusals_total", code="malformed_request") == 1
    assert of(samples, "digits_predictions_total", digit="3") == of(samples, "digits_predictions_total") == 1


def test_the_open_inference_protocol_is_counted_too(client: Client) -> None:
    data = (factory.templates()[[4, 4]] * 255).astype(int).ravel().tolist()
    tensor = {"name": "images", "datatype": "UINT8", "shape": [2, 28, 28], "data": data}
    path = "/v2/models/mnist-dmlp/infer"
    assert client.post(path, json={"inputs": [tensor]}).status_code == 200
    samples = scraped(client)
    assert of(samples, "digits_predictions_total", digit="4") == of(samples, "digits_batch_pictures_sum") == 2
    assert of(samples, "digits_requests_total", route="/v2/models/<name>/infer", status="200") == 1
    assert of(samples, "digits_stage_seconds_count", stage="total") == 1


@pytest.mark.parametrize(
    ("ask", "labels", "code"),
    [
        (lambda c: c.get("/a/b?x=1"), {"route": "unmatched", "method": "GET", "status": "404"}, "not_found"),
        (lambda c: c.put("/predict"), {"route": "unmatched", "method": "PUT", "status": "405"}, "method_not_allowed"),
        (lambda c: c.open("/a", method="EVIL"), {"route": "unmatched", "method": "other"}, "not_found"),
        (lambda c: c.post("/predict", data=b"x"), {"route": "/predict", "status": "415"}, "unsupported_media_type"),
        (
            lambda c: c.post("/predict", data=drawing.encode(drawing.digit(7, ink=255)), content_type="image/png"),
            {"route": "/predict", "status": "422"},
            "no_digit",
        ),
    ],
)
def test_refusals(client: Client, ask: Callable[[Client], Any], labels: dict[str, str], code: str) -> None:
    ask(client)
    samples = scraped(client)
    assert of(samples, "digits_requests_total", **labels) == 1
    assert of(samples, "digits_refusals_total", code=code) == of(samples, "digits_refusals_total") == 1
    assert of(samples, "digits_stage_seconds_count", stage="total") == 0


def test_client_input_creates_no_time_series(client: Client) -> None:
    scraped(client)
    client.get("/first")
    once = scraped(client)
    for number in range(20):
        client.open(f"/{number}?{number}", method=f"M{number}", headers={"Host": f"h{number}"})
        client.get(f"/v2/models/{number}")
    more = scraped(client).keys() - once.keys()
    assert {dict(labels)["route"] for _, labels in more} <= {"unmatched", "/v2/models/<name>"}
    assert len(more) <= 3


def test_requests_in_flight(here: Service, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave, read = threading.Event(), threading.Event(), here.read_next

    def wait(*args: Any) -> Any:
        entered.set()
        leave.wait(10)
        return read(*args)

    monkeypatch.setattr(here, "read_next", wait)
    large = drawing.encode(drawing.digit(7, side=800, size=600))  # which a thread reads
    asking = threading.Thread(target=send, args=(client, large))
    asking.start()
    assert entered.wait(10)
    assert of(scraped(client), "digits_requests_in_flight") == 2
    leave.set()
    asking.join(10)
    assert of(scraped(client), "digits_requests_in_flight") == 1


def test_threads_lose_no_count(client: Client, here: Service) -> None:
    metrics = here.metrics
    row = np.full((1, 10), 0.1, np.float32)

    def count() -> None:
        for _ in range(2000):
            metrics.in_flight.inc()
            metrics.read(28, 1e-4, 1e-4)
            metrics.ran(1, 1e-3)
            metrics.predicted(np.zeros((1, 28, 28), np.uint8), row, 0.5)
            metrics.answered(Notes("a", "POST", status=200, route="/predict", seconds=1e-3))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = scraped(client)
    assert of(samples, "digits_requests_total", route="/predict") == 8000
    assert of(samples, "digits_picture_pixels_count") == of(samples, "digits_picture_pixels_bucket", le="28.0") == 8000
    assert of(samples, "digits_ink_ratio_count") == of(samples, "digits_predictions_total", certain="false") == 8000
    assert of(samples, "digits_requests_in_flight") == 1


def test_loads_of_models(tmp_path: Path) -> None:
    here = open_service(Settings(models_dir=tmp_path, provider="cpu"))
    client, store = door.client_of(Front(here)), here.store
    assert of(scraped(client), "digits_workers_ready") == 0
    assert of(scraped(client), "digits_workers") == 1
    for version in (1, 2):
        factory.publish(tmp_path, version)
        store.refresh()
    factory.publish(tmp_path, 3, content=b"no model")
    store.refresh()
    samples = scraped(client)
    assert of(samples, "digits_model_loads_total", result="success") == 2
    assert of(samples, "digits_model_loads_total", result="failure") == 1
    assert of(samples, "digits_model_loads_total", result="failure", reason="contract_error") == 1
    assert of(samples, "digits_workers_ready") == 1
    infos = [dict(labels) for name, labels in samples if name == "digits_model_info"]
    assert infos == [{"name": "mnist-dmlp", "version": "2", "provider": "cpu", "file": "model.onnx"}]


def test_openmetrics_format_on_request(client: Client) -> None:
    send(client)
    accept = "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5"
    response = client.get("/metrics", headers={"Accept": accept})
    assert response.content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in openmetrics_families(response.get_data(as_text=True))}
    assert families["digits_requests"].type == "counter"
    assert client.get("/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_no_picture_is_lost_or_counted_twice_while_threads_scrape() -> None:
    metrics, threads, pictures = Metrics(), 4, 4000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            scraping = [pool.submit(lambda: [metrics.flush() for _ in range(pictures)]) for _ in range(threads)]
            for _ in range(pictures):
                metrics.read(28, 0.001, 0.002)
            for scrape in scraping:
                scrape.result()
    finally:
        sys.setswitchinterval(interval)
    metrics.flush()
    [family] = [family for family in metrics.collect() if family.name == "digits_picture_pixels"]
    assert [sample.value for sample in family.samples if sample.name.endswith("_count")] == [pictures]
