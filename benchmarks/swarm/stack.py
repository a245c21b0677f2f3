"""The stack on a swarm, deployed as its README says and inspected through one manager."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.swarm.engines import Engine
from tests.deployment import Published, run, until
from tests.server import ROOT

NAME = "digits"
PORT = 8000


Task = dict[str, str]  # a current or past replica, in the words of `docker service ps`


@dataclass(frozen=True)
class Stack:
    """The deployed stack, inspected through `manager`."""

    manager: Engine
    nodes: Sequence[Engine]

    def deploy(self, image: str) -> None:
        """Deploy or update, and return at once."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DIGITS_"))}
        settings |= {"SERVICE_IMAGE": image, "SERVICE_PORT": str(PORT), "REPLICAS": str(len(self.nodes))}
        rendered = run(str(ROOT / "deploy" / "swarm" / "render"), env=settings)
        # There is no registry to resolve names.
        command = ("docker", "--host", self.manager.host, "stack", "deploy", "--resolve-image", "never")
        run(*command, "--compose-file", "-", NAME, given=rendered)

    def tasks(self, service: str = "service") -> list[Task]:
        """Return all tasks of a service, the newest of each replica first."""
        lines = self.manager.docker("service", "ps", "--no-trunc", "--format", "{{json .}}", f"{NAME}_{service}")
        return [json.loads(line) for line in lines.splitlines()]

    def running(self, service: str = "service") -> list[Task]:
        """Return the running tasks, which with a health check means healthy, on nodes that the swarm has not given up.

        The current state is such as "Running 5 seconds ago".
        """
        tasks = self.tasks(service)
        return [task for task in tasks if task["DesiredState"] == task["CurrentState"].split()[0] == "Running"]

    def wait_for(self, count: int, service: str = "service", seconds: float = 180) -> None:
        """Wait until `count` tasks run."""
        until(
            lambda: len(self.running(service)) == count, seconds, f"{count} tasks of {service}: {self.tasks(service)}"
        )

    def update(self, image: str, ends: str, seconds: float = 300) -> float:
        """Update the service's image, and return the seconds until the update ended in state `ends`."""
        before, started = self._update_status(), time.monotonic()
        self.deploy(image)
        until(lambda: self._update_status() != before, 30, "the update starts")
        until(lambda: self._update_status().get("State") in _ENDS, seconds, f"the update ends: {self.tasks()}")
        assert self._update_status()["State"] == ends, f"{self._update_status()}\n{self.tasks()}"
        return time.monotonic() - started

    def _update_status(self) -> Any:
        found = self.manager.docker("service", "inspect", "--format", "{{json .UpdateStatus}}", f"{NAME}_service")
        return json.loads(found) or {}

    def proxies(self) -> list[Published]:
        """Return the proxy of each node."""
        return [Published(PORT, host=engine.address) for engine in self.nodes]


_ENDS = ("completed", "paused", "rollback_completed", "rollback_paused")
