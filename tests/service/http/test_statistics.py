"""Triton's statistics of one process, and over all workers."""

import io
import time
from typing import Any

from werkzeug.test import Client

from tests import drawing
from tests.deployment import until
from tests.server import ROOT, Server, serving

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
