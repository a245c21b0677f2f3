"""The real server: what needs gunicorn, sockets and signals."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests import drawing, factory
from tests.server import Server, running, serving, until


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    """A server for tests that do not change it."""
    with serving(MODELS_DIR=models, WORKERS=2, MAX_UPLOAD_BYTES=100_000, LOG_FORMAT="json") as started:
        yield started


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_the_main_thread_has_priority_over_computing_threads(models: Path) -> None:
    large = drawing.encode(drawing.digit(7, side=1200, size=600))
    with serving(MODELS_DIR=models, THREADS=4) as server, ThreadPoolExecutor(4) as pool:
        for status, _ in pool.map(
            lambda _: server.request("POST", "/predict", large, content_type="image/png"), range(16)
        ):
            assert status == 200
        [worker] = server.workers()
        nices = {
            task.name: int((task / "stat").read_text("ascii").rpartition(")")[2].split()[16])
            for task in Path(f"/proc/{worker}/task").iterdir()
        }
    main = nices.pop(str(worker))
    assert main == os.getpriority(os.PRIO_PROCESS, 0)
    assert sum(nice == min(19, main + 5) for nice in nices.values()) >= 2


def test_an_answer_reaches_a_client_still_sending(models: Path) -> None:
    answers = {("/predict", "text/plain"): 415, ("/predict?top_k=x", "image/png"): 400, ("/nothing", "image/png"): 404}
    with serving(MODELS_DIR=models) as server:
        # More than socket buffers hold, below and above the size limit, which is checked first.
        for (path, kind), status in answers.items():
            for size, expected in ((10 << 20, status), (20 << 20, 413)):
                found, answer = server.request("POST", path, bytes(size), content_type=kind)
                assert (found, set(answer)) == (expected, {"error", "code"}), path


def test_log_is_one_json_line_per_request(server: Server) -> None:
    server.request("GET", "/nothing?image=secret")
    time.sleep(0.1)
    lines = [json.loads(line) for line in server.read_log().splitlines()]
    [record] = [line for line in lines if line.get("path") == "/nothing"]
    assert (record["method"], record["status"], record["level"]) == ("GET", 404, "info")
    assert record["duration_ms"] >= 0
    assert "secret" not in server.read_log()
    assert any("on cpu (model.onnx)" in line["message"] for line in lines)


def test_without_a_model_or_with_a_bad_one_it_waits_for_a_good_one(tmp_path: Path) -> None:
    with running(MODELS_DIR=tmp_path / "none") as server:
        server.wait_for("/livez")
        status, answer = server.request("POST", "/predict", drawing.png(), content_type="image/png")
        assert (status, answer["code"]) == (503, "not_ready")
        assert "No model serves yet." in server.read_log()
        factory.publish(tmp_path / "none", content=b"no model")
        until(lambda: "rejected" in server.request("GET", "/readyz")[1]["error"], 10, "the version is rejected")
        time.sleep(1.5)
        assert server.read_log().count("is rejected: ") == 1
        factory.publish(tmp_path / "none", 2)
        assert server.wait_for("/readyz", seconds=5)["model"]["version"] == "2"


def test_each_worker_ends_by_itself(models: Path) -> None:
    with serving(MODELS_DIR=models, WORKERS=2) as server:
        server.wait_for_ready_workers(2)
        assert server.request("POST", "/predict", drawing.png(9), content_type="image/png")[0] == 200
        assert server.stop() == 0
        log = server.read_log()
    assert log.count("Worker exiting") == 2
    assert "was sent" not in log, "a signal, which is how gunicorn reports a crash"


def test_a_starting_worker_can_be_stopped(models: Path) -> None:
    with running(MODELS_DIR=models) as server:
        while not server.workers():
            assert server.process.poll() is None, server.read_log()
        [worker] = server.workers()
        os.kill(worker, signal.SIGTERM)
        until(lambda: worker not in server.workers(), 10, "the signal was lost")
        server.wait_for("/readyz")  # another has taken its place


def test_sigterm_finishes_running_requests(models: Path) -> None:
    with serving(MODELS_DIR=models, GRACE_SECONDS=5) as server:
        content = drawing.png(9)
        with closing(server.connect()) as kept, closing(server.connect()) as connection:
            kept.request("GET", "/readyz")
            kept.getresponse().read()
            connection.putrequest("POST", "/predict")
            connection.putheader("Content-Type", "image/png")
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content[:50])
            time.sleep(0.3)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            time.sleep(0.5)
            kept.request("GET", "/readyz")
            assert kept.getresponse().status == 503
            connection.send(content[50:])
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())["digit"]) == (200, 9)
        stopping.join(10)
        assert server.process.returncode == 0
        with pytest.raises(ConnectionRefusedError):
            server.request("GET", "/livez")


def test_sigint_stops_at_once(models: Path) -> None:
    with serving(MODELS_DIR=models) as server:
        started = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 5


def test_workers_stop_once_their_master_is_killed(models: Path) -> None:
    with serving(MODELS_DIR=models, WORKERS=2) as server:
        workers = server.wait_for_workers(2)
        server.process.kill()
        until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 10, "the workers stop")


def test_a_restarted_worker_serves_the_same_version(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    factory.publish(tmp_path, 2)
    factory.publish(tmp_path, 3, promised=factory.content_of(factory.untrained(1)))
    with serving(MODELS_DIR=tmp_path, WORKERS=2) as server:
        for _ in range(3):
            workers = server.wait_for_workers(2)
            os.kill(workers[0], signal.SIGKILL)
            while len(server.workers()) < 2 or set(workers) == set(server.workers()):
                assert server.process.poll() is None
                time.sleep(0.02)
            for _ in range(20):
                assert server.wait_for("/readyz")["model"]["version"] == "2"


def test_workers_killed_during_publications_all_serve_the_last(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    with serving(MODELS_DIR=tmp_path, WORKERS=2) as server:
        for version in range(2, 6):
            factory.publish(tmp_path, version)
            os.kill(server.wait_for_workers(2)[version % 2], signal.SIGKILL)
            time.sleep(0.3)

        def served() -> set[str]:
            return {server.wait_for("/readyz")["model"]["version"] for _ in range(20)}

        until(lambda: served() == {"5"}, 5, "all workers serve the last version")
