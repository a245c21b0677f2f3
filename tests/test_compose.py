"""The deployment for real: both images built, the compose file run, and the service spoken to from outside.

Everything happens in a Compose project of its own, on a free port, and is removed again, volumes and images included.
"""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.contract import MODEL_NAME
from service.settings import Settings
from tests import drawing
from tests.server import ROOT, free_port

UID = 10001

# Both images are built within one test's time, and the second one holds TensorFlow.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """Return what `command` printed; where it fails, the error shows all that it said."""
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


@dataclass(frozen=True)
class Server:
    """A service that listens on a port of this machine."""

    port: int

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Return the status and the JSON of the answer; a body is POSTed as a PNG. Status 0: nobody listens yet."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "image/png"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, None

    def status(self, path: str) -> int:
        return self.ask(path)[0]

    def predict(self, picture: bytes) -> Any:
        status, answer = self.ask("/predict", picture)
        assert status == 200, answer
        return answer


@dataclass(frozen=True)
class Deployment(Server):
    """What `docker compose up` started."""

    project: str

    def compose(self, *arguments: str) -> str:
        settings = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DIGITS_"))}
        settings["SERVICE_PORT"] = f"127.0.0.1:{self.port}"
        settings["DATA_DIR"] = str(Path(os.environ.get("MNIST_DIR") or "data").resolve())
        command = ("docker", "compose", "--project-name", self.project, "--profile", "training", *arguments)
        return run(*command, env=settings)

    def python(self, code: str) -> Any:
        """Return the JSON that `code`, run inside the service's container, prints."""
        return json.loads(self.compose("exec", "-T", "service", "python", "-c", code))

    def inspect(self) -> Any:
        container = self.compose("ps", "--all", "--quiet", "service").strip()
        return json.loads(run("docker", "inspect", container))[0]


def need_engine() -> None:
    """Skip where no engine answers, or where the base image is neither here nor to be had."""
    base = re.findall(r"^FROM (\S+) AS base$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[0]
    for why, *commands in (
        ("no Docker engine answers", "docker info"),
        ("Docker Compose v2 is not installed", "docker compose version"),
        (f"{base} is not here and no registry gives it", f"docker image inspect {base}", f"docker pull {base}"),
    ):
        if not any(succeeds(*command.split()) for command in commands):
            pytest.skip(f"{why}: `{commands[-1]}` fails")


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    need_engine()
    deployment = Deployment(free_port(), f"digits-test-{os.getpid()}")
    try:
        deployment.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "60", "service")
        yield deployment
    finally:
        print(deployment.compose("logs", "--no-color"))  # shown where something fails
        deployment.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")


@pytest.fixture
def alone(deployment: Deployment) -> Iterator[Callable[..., tuple[str, Server]]]:
    """Start the service's image without Compose; returns the container and its server."""
    containers = []

    def start(*options: str) -> tuple[str, Server]:
        port = free_port()
        publish = ("--publish", f"127.0.0.1:{port}:8000")
        image = f"{deployment.project}-service"
        containers.append(run("docker", "run", "--detach", *publish, *options, image).strip())
        return containers[-1], Server(port)

    yield start
    for container in containers:
        run("docker", "rm", "--force", "--volumes", container)


def test_is_ready_and_reads_a_digit(deployment: Deployment) -> None:
    assert deployment.status("/readyz") == 200
    answer = deployment.predict(drawing.png(7))
    assert answer["digit"] == 7
    assert answer["model"]["name"] == MODEL_NAME


def test_process_has_no_privileges(deployment: Deployment) -> None:
    status = deployment.python("import json; print(json.dumps(open('/proc/1/status').read()))")
    fields = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
    assert fields["Uid"].split() == fields["Gid"].split() == [str(UID)] * 4
    assert {int(value, 16) for name, value in fields.items() if name.startswith("Cap")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_writes_nothing_but_models_and_tmp(deployment: Deployment) -> None:
    code = """
import json, pathlib
def writable(directory):
    try:
        (pathlib.Path(directory) / "probe").touch()
        (pathlib.Path(directory) / "probe").unlink()
    except OSError:
        return False
    return True
print(json.dumps([directory for directory in ("/", "/app", "/app/service", "/opt/venv", "/app/models", "/tmp")
                  if writable(directory)]))
"""
    assert deployment.python(code) == ["/app/models", "/tmp"]
    assert deployment.inspect()["HostConfig"]["ReadonlyRootfs"]


def test_has_limits(deployment: Deployment) -> None:
    limits = deployment.inspect()["HostConfig"]
    assert 0 < limits["Memory"] <= 4 << 30
    assert 0 < limits["PidsLimit"] <= 1024
    assert limits["CpuQuota"] == 2 * limits["CpuPeriod"] > 0


def test_service_image_holds_what_it_serves_with_and_no_more(deployment: Deployment) -> None:
    code = """
import importlib.util, json, os, shutil
print(json.dumps([
    [name for name in ("tensorflow", "keras", "tf2onnx", "onnx", "pytest") if importlib.util.find_spec(name)],
    [name for name in ("cc", "gcc", "g++", "clang", "ld", "as", "make") if shutil.which(name)],
    os.path.exists("/opt/venv/bin/pip") or os.path.exists("/root/.cache"),
    sorted(os.listdir("/app")),
]))
"""
    assert deployment.python(code) == [[], [], False, ["models", "runs", "service"]]


def test_gpu_profile_asks_for_cuda_beside_the_service(deployment: Deployment) -> None:
    services = json.loads(deployment.compose("--profile", "gpu", "config", "--format", "json"))["services"]
    gpu = services["service-gpu"]
    assert gpu["environment"]["DIGITS_PROVIDER"] == "cuda"
    assert gpu["build"]["args"] == {"EXTRA": "serve-cuda"}
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert gpu["ports"][0]["published"] == "8001"
    shared = ("read_only", "cap_drop", "security_opt", "volumes", "pids_limit", "cpu_quota")
    assert [gpu[key] for key in shared] == [services["service"][key] for key in shared]


def test_image_alone_serves(alone: Callable[..., tuple[str, Server]]) -> None:
    _, server = alone("--read-only", "--tmpfs", "/tmp")
    until(lambda: server.status("/readyz") == 200, 30, "ready")
    assert server.predict(drawing.png(7))["digit"] == 7


def test_without_a_model_it_is_unhealthy_and_lives(alone: Callable[..., tuple[str, Server]]) -> None:
    often = ("--health-interval", "1s", "--health-start-period", "1s", "--health-retries", "2")
    container, server = alone("--tmpfs", "/app/models", *often)

    def state() -> Any:
        return json.loads(run("docker", "inspect", container))[0]["State"]

    until(lambda: state()["Health"]["Status"] == "unhealthy", 60, "unhealthy")
    assert state()["Running"]
    assert server.status("/livez") == 200
    status, answer = server.ask("/readyz")
    assert status == 503
    assert answer["error"]


def test_takes_the_version_that_training_publishes(deployment: Deployment) -> None:
    if not os.environ.get("MNIST_DIR"):
        pytest.skip("MNIST_DIR does not name a directory with the MNIST files, so there is nothing to retrain on")
    before = int(deployment.predict(drawing.png(7))["model"]["version"])
    deployment.compose("build", "training")
    deployment.compose("run", "--rm", "-T", "training", "--recipe", "smoke", "--epochs", "1", "--data", "/data")
    newer = until(
        lambda: (answer := deployment.predict(drawing.png(7)))["model"]["version"] == str(before + 1) and answer,
        15,
        "the new version is served",
    )
    assert newer["digit"] == 7


def test_stops_within_the_grace_time(deployment: Deployment) -> None:
    started = time.monotonic()
    deployment.compose("stop", "service")
    assert time.monotonic() - started < Settings().grace_seconds
    assert deployment.inspect()["State"]["ExitCode"] == 0
