"""Metrics over all workers, including dead ones."""

import io
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.test import Client

from service.http import metrics as module
from service.http.app import create_app, open_service
from service.settings import Settings
from tests import drawing, factory
from tests.deployment import until
from tests.server import ROOT, Server, multipart, serving
from tests.service.http.test_metrics import Samples, of, parsed, scraped


def test_two_workers_report_one_version_once(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    settings = Settings(models_dir=models_dir, provider="cpu")
    (tmp_path / "shared").mkdir()
    joined = [module.join(tmp_path / "shared", number) for number in range(2)]
    clients = [create_app(open_service(settings, metrics)).test_client() for metrics in joined]
    for client in clients:
        samples = scraped(client)
        assert of(samples, "digits_model_info", version="1") == of(samples, "digits_model_info") == 1
        assert of(samples, "digits_workers_ready") == of(samples, "digits_workers") == 2


def test_a_scrape_waits_for_a_worker_that_is_making_its_files(tmp_path: Path) -> None:
    empty = tmp_path / "gauge_livesum_9.db"
    empty.touch()
    with pytest.raises(struct.error):
        list(MultiProcessCollector(CollectorRegistry(), path=str(tmp_path)).collect())
    timer = threading.Timer(0.1, empty.unlink)
    timer.start()
    assert module._of_all_workers(tmp_path) == []
    timer.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    factory.publish(tmp_path)
    with serving(MODELS_DIR=tmp_path, WORKERS=2) as started:
        eventually(started, lambda samples: of(samples, "digits_workers_ready") == 2)
        yield started


def get(server: Server) -> Samples:
    with closing(server.connect()) as connection:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        return parsed(response.read().decode())


def eventually(server: Server, holds: Callable[[Samples], bool], seconds: float = 10) -> Samples:
    """Return the first scrape for which `holds` is true; any worker may answer it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            samples = get(server)
            if holds(samples):
                return samples
        except OSError:
            samples = {}
        assert time.monotonic() < deadline, samples
        time.sleep(0.05)


def predict(server: Server, times: int) -> None:
    for label in range(times):
        status, _ = server.request("POST", "/predict", drawing.png(label % 10), content_type="image/png")
        assert status == 200


def test_metrics_of_all_workers_from_any_worker(server: Server) -> None:
    predict(server, 40)
    answered: dict[str, str] = {"route": "/predict", "status": "200"}
    eventually(server, lambda samples: of(samples, "digits_requests_total", **answered) == 40)
    for _ in range(20):
        samples = get(server)
        assert of(samples, "digits_requests_total", **answered) == 40
        assert of(samples, "digits_predictions_total") == of(samples, "digits_stage_seconds_count", stage="total") == 40
        assert of(samples, "digits_workers") == of(samples, "digits_worker_starts_total") == 2


def test_a_killed_worker_keeps_its_counts_but_not_its_gauges(server: Server) -> None:
    predict(server, 30)
    eventually(server, lambda samples: of(samples, "digits_predictions_total") == 30)
    with ExitStack() as held:
        many = multipart([("image", drawing.encode(drawing.digit(7, side=2500, size=2000)))] * 8)
        for _ in range(4):  # slow requests, in flight when their worker dies
            held.enter_context(closing(server.connect())).request("POST", "/predict/batch", *many)
        eventually(server, lambda samples: of(samples, "digits_requests_in_flight") == 5)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
    samples = eventually(server, lambda samples: of(samples, "digits_worker_starts_total") == 4)
    samples = eventually(server, lambda samples: of(samples, "digits_workers_ready") == 2)
    assert of(samples, "digits_workers") == 2
    assert of(samples, "digits_requests_in_flight") == 1
    assert of(samples, "digits_predictions_total") == 30
    predict(server, 5)
    eventually(server, lambda samples: of(samples, "digits_predictions_total") == 35)


def test_a_reload_of_the_workers_loses_no_count(server: Server) -> None:
    predict(server, 10)
    eventually(server, lambda samples: of(samples, "digits_predictions_total") == 10)
    server.process.send_signal(signal.SIGHUP)
    eventually(server, lambda samples: of(samples, "digits_worker_starts_total") == 4)
    samples = eventually(server, lambda samples: of(samples, "digits_workers") == 2)
    assert of(samples, "digits_predictions_total") == 10
    assert of(samples, "digits_model_info") == 1


def test_requests_rejected_by_the_parser_are_counted(server: Server) -> None:
    with closing(server.connect()) as connection:
        connection.request("GET", "/", headers={"Expect": "a miracle"})
        response = connection.getresponse()
        assert response.status == 417
    assert len(response.headers["X-Request-ID"]) == 24
    samples = eventually(server, lambda samples: of(samples, "digits_refusals_total", code="expectation_failed") == 1)
    assert of(samples, "digits_requests_total", route="unmatched", status="417", method="GET") == 1
    assert f"request={response.headers['X-Request-ID']}" in server.read_log()


MODEL = "/v2/models/mnist-dmlp"


def stats(answer: Any) -> dict[str, Any]:
    [found] = answer["model_stats"]
    assert isinstance(found, dict)
    return found


def test_counts_are_of_images_runs_and_requests(door_client: Client) -> None:
    before = stats(door_client.get(f"{MODEL}/stats").get_json())
    assert (before["name"], before["version"], before["inference_count"]) == ("mnist-dmlp", "1", 0)
    assert before["last_inference"] == 0
    files = [(io.BytesIO(drawing.png(digit)), "a.png") for digit in (3, 5, 8)]
    assert door_client.post("/predict/batch", data={"image": files}).status_code == 200
    assert door_client.post("/predict", data=drawing.png(7), content_type="image/png").status_code == 200
    for _ in range(2):
        assert door_client.post("/predict", data=b"none", content_type="image/png").status_code == 415
    after = stats(door_client.get("/v2/models/stats").get_json())
    assert (after["inference_count"], after["execution_count"]) == (4, 2)
    assert abs(after["last_inference"] / 1000 - time.time()) < 60
    parts = after["inference_stats"]
    assert {name: part["count"] for name, part in parts.items()} == {
        "success": 2,
        "fail": 2,
        "queue": 2,
        "compute_input": 4,
        "compute_infer": 2,
        "compute_output": 0,
        "cache_hit": 0,
        "cache_miss": 0,
    }
    times = [parts[name]["ns"] for name in ("queue", "compute_input", "compute_infer")]
    assert all(time > 0 for time in times)
    assert abs(parts["success"]["ns"] - sum(times)) <= 3  # rounded
    assert stats(door_client.get(f"{MODEL}/versions/1/stats").get_json())["inference_count"] == 4


def test_another_model_or_version_has_no_statistics(client: Client) -> None:
    for path in ("/v2/models/other/stats", f"{MODEL}/versions/9/stats"):
        assert client.get(path).status_code == 404


def test_all_workers_count_together() -> None:
    with serving(MODELS_DIR=ROOT / "models", WORKERS=2) as server:
        server.wait_for_ready_workers(2)
        for _ in range(10):
            assert server.request("POST", "/predict", drawing.png(7), Content_Type="image/png")[0] == 200
        # A request is counted once its answer is sent.
        until(lambda: successes(server) == 10, 10, "all are counted")
        assert [successes(server) for _ in range(6)] == [10] * 6
        assert stats(asked(server))["inference_count"] == 10


def successes(server: Server) -> Any:
    return stats(asked(server))["inference_stats"]["success"]["count"]


def asked(server: Server) -> Any:
    status, answer = server.request("GET", f"{MODEL}/stats")
    assert status == 200
    return answer
