"""The real deployment: builds the images and runs the compose file as its own Compose project, on a free port."""

import http.client
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests import drawing
from tests.server import ROOT, free_port, until

# Debian forky has the versions that the compose file names. The date of its index is not checked: mirrors may be late.
_PACKAGES = {"nginx": "nginx curl", "prom/prometheus": "prometheus"}
_STAND_IN = """
FROM python:3.13-slim
RUN sed -i s/trixie/forky/ /etc/apt/sources.list && \\
    apt-get update -qq -o Acquire::Check-Valid-Until=false && \\
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends ca-certificates {packages} && \\
    install --directory --owner nobody /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
"""


def run(*command: str, env: dict[str, str] | None = None, given: str | None = None) -> str:
    """Return the output of `command` with `given` as its input; an error shows all of it."""
    result = subprocess.run(command, cwd=ROOT, env=env, input=given, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


@dataclass(frozen=True)
class Published:
    """A service on a port of this machine or another host."""

    port: int
    host: str = field(default="127.0.0.1", kw_only=True)

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Return status and JSON of the answer; a body is POSTed as a PNG. Status 0: nothing is listening yet."""
        try:
            status, _, content = self.send("GET" if body is None else "POST", path, body)
        except OSError:
            return 0, None
        return status, json.loads(content)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        """Return status, headers and body of the answer to a request; a body is sent as a PNG."""
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Content-Type": "image/png", **named})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def status(self, path: str) -> int:
        """Return the status of the answer to a GET."""
        return self.ask(path)[0]

    def predict(self, picture: bytes) -> Any:
        """Return the answer to a readable picture."""
        status, answer = self.ask("/predict", picture)
        assert status == 200, answer
        return answer


@dataclass(frozen=True)
class Deployment(Published):
    """A deployment started by `docker compose up`."""

    project: str
    override: Path | None = field(default=None, kw_only=True)  # another compose file, over ours
    prometheus_port: int = field(default_factory=free_port, kw_only=True)

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` on this project; return what it printed."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DIGITS_"))}
        settings["SERVICE_PORT"] = f"127.0.0.1:{self.port}"
        settings["PROMETHEUS_PORT"] = f"127.0.0.1:{self.prometheus_port}"
        settings["DATA_DIR"] = str(Path(os.environ.get("MNIST_DIR") or "data").resolve())
        files = ("--file", "docker-compose.yml", "--file", str(self.override)) if self.override else ()
        command = ("docker", "compose", *files, "--project-name", self.project, "--profile", "training", *arguments)
        return run(*command, env=settings)

    def python(self, code: str) -> Any:
        """Return the JSON that `code`, run inside the service's container, prints."""
        return json.loads(self.compose("exec", "-T", "service", "python", "-c", code))

    def containers(self, *services: str) -> list[Any]:
        """Return `docker inspect` of the containers of these services, of all by default."""
        names = self.compose("ps", "--all", "--quiet", *services).split()
        return list(json.loads(run("docker", "inspect", *names)))

    def running(self) -> list[Any]:
        """Return `docker inspect` of the running containers, without the finished one that fills the models volume."""
        return [container for container in self.containers() if container["State"]["Running"]]

    def wait_for_replicas(self, count: int, seconds: float = 60) -> None:
        """Wait until exactly so many replicas of the service exist and are healthy."""

        def all_are_healthy() -> bool:
            states = [container["State"] for container in self.containers("service")]
            return [state["Running"] and state["Health"]["Status"] for state in states] == ["healthy"] * count

        until(all_are_healthy, seconds, f"{count} healthy replicas")

    def log_of(self, request_id: str) -> list[Any]:
        """Return the log lines of the proxy for a request ID; it writes them after a second at the latest."""

        def found() -> list[Any]:
            lines = self.compose("logs", "--no-log-prefix", "--no-color", "proxy").splitlines()
            return [json.loads(line[line.index("{") :]) for line in lines if request_id in line]

        return list(until(found, 10, f"a log line of {request_id}"))


def missing() -> str:
    """Return what a deployment needs and this machine lacks, empty if nothing."""
    base = re.findall(r"^FROM (\S+) AS base$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[0]
    for why, *commands in (
        ("no Docker engine answers", "docker info"),
        ("Docker Compose v2 is not installed", "docker compose version"),
        (f"{base} is not here and no registry gives it", f"docker image inspect {base}", f"docker pull {base}"),
    ):
        if not any(_succeeds(*command.split()) for command in commands):
            return f"{why}: `{commands[-1]}` fails"
    return "" if get_image("proxy") else f"{image('proxy')} is not here, and neither a registry nor Debian gives it"


def image(service: str) -> str:
    """Return the public image of a service in the compose file."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return str(compose["services"][service]["image"])


def get_image(service: str) -> bool:
    """Pull the image of a service, or build it from Debian's package if no registry is reachable."""
    name = image(service)
    if any(_succeeds("docker", *command, name) for command in (("image", "inspect"), ("pull",))):
        return True
    text = _STAND_IN.format(packages=_PACKAGES[name.partition(":")[0]])
    command = ("docker", "build", "--quiet", "--tag", name, "-")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode == 0


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def deployed(*, show_log: bool = False) -> Iterator[Deployment]:
    """Build and start the deployment; remove it at the end, with volumes and images."""
    deployment = Deployment(free_port(), f"digits-test-{os.getpid()}")
    try:
        deployment.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "90", "proxy")
        yield deployment
    finally:
        if show_log:
            print(deployment.compose("logs", "--no-color"))
        deployment.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")


def addresses_outside() -> list[str]:
    """Return known addresses beyond this machine: name servers and the gateway."""
    servers = re.findall(r"^nameserver ([\d.]+)$", Path("/etc/resolv.conf").read_text(encoding="utf-8"), re.MULTILINE)
    routes = [line.split() for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]]
    gateways = [socket.inet_ntoa(bytes.fromhex(route[2])[::-1]) for route in routes if route[1] == "00000000"]
    return [address for address in (*servers, *gateways) if not address.startswith("127.")]


def reaches(*command: str, address: str) -> bool:
    """Whether a container reaches an address; a refused connection counts."""
    script = f"timeout 3 bash -c '</dev/tcp/{address}/53'; test $? != 124 -a $? != 2"
    result = subprocess.run([*command, "bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return result.returncode == 0 and "unreachable" not in result.stderr


@contextmanager
def asking(deployment: Deployment) -> Iterator[list[int]]:
    """Send requests from four clients while the block runs; yield the growing list of statuses."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(deployment.send("POST", "/predict", drawing.png(7))[0])

    clients = [threading.Thread(target=ask) for _ in range(4)]
    [client.start() for client in clients]
    try:
        yield statuses
    finally:
        stop.set()
        [client.join() for client in clients]
