"""The real deployment: both images built, the compose file run, the service used from outside."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from benchmarks.own_digits.writers import WRITERS, png
from service.contract import MODEL_NAME
from service.settings import Settings
from tests import drawing
from tests.deployment import Deployment, Published, addresses_outside, asking, deployed, missing, reaches, run, until
from tests.server import free_port

UID = 10001

# Both images are built within one test's time, and the second one holds TensorFlow.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]
NEEDS_MNIST = pytest.mark.skipif(
    not os.environ.get("MNIST_DIR"),
    reason="MNIST_DIR does not name a directory with the MNIST files, so there is nothing to retrain on",
)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    if why := missing():
        pytest.skip(why)
    with deployed(show_log=True) as started:  # pytest shows it if a test fails
        yield started


@pytest.fixture
def alone(deployment: Deployment) -> Iterator[Callable[..., tuple[str, Published]]]:
    """Start the service's image without Compose; returns the container and its server."""
    containers = []

    def start(*options: str) -> tuple[str, Published]:
        port = free_port()
        publish = ("--publish", f"127.0.0.1:{port}:8000")
        image = f"{deployment.project}-service"
        containers.append(run("docker", "run", "--detach", *publish, *options, image).strip())
        return containers[-1], Published(port)

    yield start
    for container in containers:
        run("docker", "rm", "--force", "--volumes", container)


def test_the_volume_is_filled_before_a_replica_is_made(deployment: Deployment) -> None:
    """Docker sometimes fails if two containers created at once both fill the volume."""
    [filler], replicas = deployment.containers("models"), deployment.containers("service")
    assert (filler["State"]["Status"], filler["State"]["ExitCode"]) == ("exited", 0)
    mounts = {mount["Name"] for each in (filler, *replicas) for mount in each["Mounts"] if mount["Type"] == "volume"}
    assert {name.rpartition("_")[2] for name in mounts} == {"models", "corrections"}
    assert len(mounts) == len(replicas) == 2
    assert all(filler["State"]["FinishedAt"] < replica["State"]["StartedAt"] for replica in replicas)
    assert all(filler["Created"] < replica["Created"] for replica in replicas)


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
places = ("/", "/app", "/app/service", "/opt/venv", "/app/models", "/app/corrections", "/tmp")
print(json.dumps([directory for directory in places if writable(directory)]))
"""
    assert deployment.python(code) == ["/app/models", "/app/corrections", "/tmp"]


def test_every_container_is_restricted(deployment: Deployment) -> None:
    containers = deployment.containers()
    assert len(containers) == 4
    for container in containers:
        limits = container["HostConfig"]
        assert int(container["Config"]["User"].partition(":")[0]) > 0
        assert limits["ReadonlyRootfs"]
        assert limits["CapDrop"] == ["ALL"]
        assert not limits["CapAdd"]
        assert not limits["Privileged"]
        assert limits["SecurityOpt"] == ["no-new-privileges:true"]
        assert 0 < limits["Memory"] <= 4 << 30
        assert 0 < limits["PidsLimit"] <= 1024
        assert limits["CpuQuota"] == 2 * limits["CpuPeriod"] > 0


def test_the_network_is_unreachable(deployment: Deployment) -> None:
    ordinary = ("docker", "run", "--rm", f"{deployment.project}-service")
    outside = [address for address in addresses_outside() if reaches(*ordinary, address=address)]
    if not outside:
        pytest.skip("an ordinary container gets no answer from outside here either")
    assert deployment.containers("models")[0]["HostConfig"]["NetworkMode"] == "none"
    tried = [(container["Id"], address) for container in deployment.running() for address in outside]
    with ThreadPoolExecutor(len(tried)) as pool:  # each waits three seconds for an answer
        answers = pool.map(lambda each: reaches("docker", "exec", each[0], address=each[1]), tried)
    assert not any(answers)
    ask = "import json, socket; print(json.dumps(socket.getaddrinfo('{}', 80)[0][4][0]))"
    assert deployment.python(ask.format("service"))
    with pytest.raises(AssertionError, match="gaierror"):  # nor does Docker's name server ask others for it
        deployment.python(ask.format("example.org"))


def test_both_replicas_answer(deployment: Deployment) -> None:
    assert deployment.status("/readyz") == 200
    answer = deployment.predict(drawing.png(7))
    assert (answer["digit"], answer["model"]["name"]) == (7, MODEL_NAME)
    names = [uuid4().hex for _ in range(20)]
    for name in names:
        assert deployment.send("POST", "/predict", drawing.png(7), X_Request_ID=name)[0] == 200
    assert len({line["replica"] for name in names for line in deployment.log_of(name)}) == 2


def test_request_id_and_client_address_pass_the_proxy(deployment: Deployment) -> None:
    name = uuid4().hex
    claimed = {"X_Request_ID": name, "X_Forwarded_For": "192.0.2.7"}
    status, headers, _ = deployment.send("POST", "/predict", drawing.png(7), **claimed)
    assert (status, headers.get_all("X-Request-ID")) == (200, [name])
    [outside] = deployment.log_of(name)
    [inside] = [line for line in deployment.compose("logs", "--no-color", "service").splitlines() if name in line]
    assert outside["remote"] != "192.0.2.7"  # which anybody may claim
    assert f"from {outside['remote']} " in inside


def test_a_client_cannot_name_a_path_prefix(deployment: Deployment) -> None:
    """The service trusts the proxy's word, so the proxy must not pass on a client's."""
    claimed = {"X_Forwarded_Prefix": "/elsewhere", "X_Forwarded_Host": "example.org", "Forwarded": "host=example.org"}
    _, _, page = deployment.send("GET", "/", **claimed)
    assert page == deployment.send("GET", "/")[2]
    assert deployment.send("GET", "/elsewhere/livez", **claimed)[0] == 404


def test_errors_of_the_proxy_have_our_shape(deployment: Deployment) -> None:
    limit = Settings().max_upload_bytes
    assert deployment.send("POST", "/predict", bytes(limit))[0] == 415  # by the service
    for status, (found, headers, body) in [
        (413, deployment.send("POST", "/predict", bytes(limit + 1))),
        (414, deployment.send("GET", "/" + "a" * 9000)),
        (431, deployment.send("GET", "/", X_Long="a" * 40000)),
        (405, deployment.send("TRACE", "/")),
        (400, deployment.send("GET", "/", Host="a b")),
    ]:
        assert (found, headers["Content-Type"]) == (status, "application/json")
        assert set(json.loads(body)) == {"error", "code"}
        assert headers["X-Request-ID"]


def test_a_replica_that_dies_costs_no_request(deployment: Deployment) -> None:
    with asking(deployment) as statuses:
        for container in deployment.containers("service"):
            asked = len(statuses)
            run("docker", "kill", container["Id"])
            until(lambda asked=asked: len(statuses) > asked + 20, 30, "20 answers from the other")
            run("docker", "start", container["Id"])
            deployment.wait_for_replicas(2)
    assert set(statuses) == {200}


def test_replicas_may_come_and_go(deployment: Deployment) -> None:
    """Of five replicas three are new: all that a request tries first may not be ready yet."""
    with asking(deployment) as statuses:
        for count in (5, 2):
            deployment.compose("up", "--detach", "--no-recreate", "--scale", f"service={count}", "service")
            deployment.wait_for_replicas(count)
            replicas = set()
            for name in (uuid4().hex for _ in range(30)):
                assert deployment.send("GET", "/livez", X_Request_ID=name)[0] == 200
                replicas |= {line["replica"] for line in deployment.log_of(name)} if len(replicas) < count else set()
            assert len(replicas) == count
    assert set(statuses) == {200}


def test_without_replicas_the_error_has_our_shape(deployment: Deployment) -> None:
    deployment.compose("stop", "service")
    try:
        status, headers, body = deployment.send("GET", "/readyz")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert json.loads(body)["code"] == "not_ready"
    finally:
        deployment.compose("start", "service")
        deployment.wait_for_replicas(2)


def test_service_image_holds_only_what_serving_needs(deployment: Deployment) -> None:
    code = """
import importlib.util, json, os, shutil
print(json.dumps([
    [name for name in ("tensorflow", "keras", "tf2onnx", "onnx", "pytest") if importlib.util.find_spec(name)],
    [name for name in ("cc", "gcc", "g++", "clang", "ld", "as", "make") if shutil.which(name)],
    os.path.exists("/opt/venv/bin/pip") or os.path.exists("/root/.cache"),
    sorted(os.listdir("/app")),
]))
"""
    assert deployment.python(code) == [[], [], False, ["corrections", "models", "runs", "service"]]


def test_gpu_is_one_process_with_cuda(deployment: Deployment) -> None:
    services = json.loads(deployment.compose("--profile", "gpu", "config", "--format", "json"))["services"]
    gpu = services["gpu"]
    assert gpu["environment"] == {"DIGITS_PROVIDER": "cuda"}
    assert gpu["build"]["args"] == {"EXTRA": "serve-cuda"}
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert (gpu["scale"], gpu["ports"][0]["published"]) == (1, "8001")
    shared = ("read_only", "cap_drop", "security_opt", "volumes", "pids_limit", "cpu_quota")
    assert [gpu[key] for key in shared] == [services["service"][key] for key in shared]


def test_without_a_gpu_one_line_says_so(deployment: Deployment) -> None:
    """Uses the CPU image instead of the large CUDA one: Docker looks for the GPU before it starts anything."""
    if "nvidia" in run("docker", "info", "--format", "{{json .Runtimes}}"):
        pytest.skip("this engine has a GPU")
    run("docker", "tag", f"{deployment.project}-service", f"{deployment.project}-gpu")
    with pytest.raises(AssertionError) as raised:
        deployment.compose("--profile", "gpu", "up", "--no-build", "--detach", "gpu")
    [line] = [line for line in str(raised.value).splitlines() if "Error" in line]
    assert line.endswith('could not select device driver "nvidia" with capabilities: [[gpu]]')


def test_image_alone_serves(alone: Callable[..., tuple[str, Published]]) -> None:
    _, server = alone("--read-only", "--tmpfs", "/tmp")
    until(lambda: server.status("/readyz") == 200, 30, "ready")
    assert server.predict(drawing.png(7))["digit"] == 7


def test_without_a_model_it_is_alive_but_unhealthy(alone: Callable[..., tuple[str, Published]]) -> None:
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


@NEEDS_MNIST
def test_corrections_are_learnt(deployment: Deployment, tmp_path: Path) -> None:
    """The model errs on a hand; fine-tuning learns that, publishes, and the replicas take the version up."""
    override = tmp_path / "corrections.yml"
    override.write_text("services: { service: { environment: { DIGITS_CORRECTIONS_DIR: corrections } } }")
    teachable = replace(deployment, override=override)
    teachable.compose("up", "--detach", "--wait", "--wait-timeout", "90", "proxy")
    cem, random = WRITERS[2], np.random.default_rng(1)
    asked = [(png(cem, digit, random), digit) for digit in (1, 7, 9) for _ in range(5)]
    before = [teachable.predict(picture) for picture, _ in asked]
    assert sum(answer["digit"] != digit for answer, (_, digit) in zip(before, asked, strict=True)) >= 5
    for digit in (1, 7, 9) * 20:
        status, _, body = teachable.send("POST", f"/corrections?digit={digit}", png(cem, digit, random))
        assert status == 201, body
    learn = ("--data", "/data", "--recipe", "fine-tune", "--extra", "corrections")
    teachable.compose("build", "training")
    said = teachable.compose("run", "--rm", "-T", "training", *learn)
    print(said)
    assert "suspect" in said
    version = str(int(before[0]["model"]["version"]) + 1)
    until(lambda: teachable.predict(asked[0][0])["model"]["version"] == version, 30, "the new version is served")
    after = [teachable.predict(picture) for picture, _ in asked]
    assert sum(answer["digit"] != digit for answer, (_, digit) in zip(after, asked, strict=True)) <= 2
    listed = teachable.compose("exec", "-T", "service", "python", "-m", "service", "corrections", "--json")
    assert len(json.loads(listed)["corrections"]) == 60
    deployment.compose("up", "--detach", "--wait", "--wait-timeout", "90", "proxy")


def test_stops_within_the_grace_time(deployment: Deployment) -> None:
    started = time.monotonic()
    deployment.compose("stop", "service")
    assert time.monotonic() - started < Settings().grace_seconds
    assert [container["State"]["ExitCode"] for container in deployment.containers("service")] == [0, 0]
