"""Docker engines on one machine, each with its own network, host name, process and mount namespaces.

A bridge in a network namespace connects them and this machine. An engine runs under `unshare`: killing it ends
everything inside, containers included, and removes its mounts and network.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.deployment import run, until

# RFC 2544 benchmark range, which shadows no real network.
_NETWORK = "198.18.91"
HERE = f"{_NETWORK}.1"  # this machine, as the engines see it
# Bridge of a node, as in deploy/swarm/README.md: published ports are reachable, nothing connects out.
_NO_EGRESS = (
    *("--opt", "com.docker.network.bridge.name=docker_gwbridge"),
    *("--opt", "com.docker.network.bridge.enable_icc=false"),
    *("--opt", "com.docker.network.bridge.enable_ip_masquerade=false"),
)
_CGROUPS = Path("/sys/fs/cgroup")
_UNSHARE = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")


def missing() -> str:
    """Return what the engines need and this machine lacks, empty if nothing."""
    if os.geteuid() != 0:
        return "only root may make networks and start engines"
    commands = ("dockerd", "unshare", "nsenter", "ip")
    return ", ".join(f"{command} is not installed" for command in commands if shutil.which(command) is None)


@dataclass(frozen=True)
class Engine:
    """A Docker engine, one node of the swarm."""

    name: str
    address: str
    directory: Path
    process: subprocess.Popen[bytes]
    switch: int

    @property
    def host(self) -> str:
        """The address for `docker --host`."""
        return f"unix://{self.directory}/socket"

    def docker(self, *arguments: str) -> str:
        """Return the output of a docker command."""
        return run("docker", "--host", self.host, *arguments)

    def logged(self, container: str) -> list[str]:
        """Return the lines that a running or stopped container wrote to stdout and stderr."""
        command = ("docker", "--host", self.host, "logs", container)
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        return found.stdout.splitlines()

    def answers(self) -> bool:
        """Whether it takes commands."""
        command = ("docker", "--host", self.host, "info")
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def cut_off(self) -> None:
        """Disconnect the network without closing connections."""
        _inside(self.switch, "link", "set", self.name, "down")

    def kill(self) -> None:
        """Kill the engine and everything that runs on it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def engines(count: int) -> Iterator[list[Engine]]:
    """Start so many engines on their own network; remove everything at the end."""
    group = f"digits-swarm-{os.getpid()}"
    with ExitStack() as kept:
        directory = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="digits-swarm-")))
        kept.callback(_remove_cgroups, group)
        switch = kept.enter_context(_switch())
        started = []
        for number in range(1, count + 1):
            started.append(_start(number, directory / f"node{number}", switch, group))
            kept.callback(started[-1].kill)
        for engine in started:
            until(engine.answers, 60, f"{engine.name} takes commands; {engine.directory}/log")
        yield started


def join(started: Sequence[Engine]) -> None:
    """Make a swarm of these engines, all managers, so that any one of three may be lost."""
    for engine in started:
        engine.docker("network", "create", *_NO_EGRESS, "docker_gwbridge")
    first, *others = started
    first.docker("swarm", "init", "--advertise-addr", first.address)
    token = first.docker("swarm", "join-token", "--quiet", "manager").strip()
    for engine in others:
        engine.docker("swarm", "join", "--advertise-addr", engine.address, "--token", token, f"{first.address}:2377")


def load(started: Sequence[Engine], *images: str) -> None:
    """Copy images of this machine's engine to each of these, in place of a registry."""
    with tempfile.NamedTemporaryFile(prefix="digits-swarm-", suffix=".tar") as archive:
        run("docker", "save", "--output", archive.name, *images)
        for engine in started:
            engine.docker("load", "--quiet", "--input", archive.name)


@contextmanager
def _switch() -> Iterator[int]:
    """Connect this machine to a bridge in a network namespace without firewall rules; yield the PID that holds it."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        until(lambda: _has_own_network(holder.pid), 10, "a network for the switch")
        _inside(holder.pid, "link", "add", "switch", "type", "bridge")
        _inside(holder.pid, "link", "set", "switch", "up")
        _plug_in(holder.pid, "here", os.getpid(), f"digits{os.getpid()}", HERE)
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def _plug_in(switch: int, port: str, pid: int, device: str, address: str) -> None:
    """Connect a bridge port to a device in the network namespace of a process, by a veth pair."""
    _inside(switch, "link", "add", port, "type", "veth", "peer", "name", device, "netns", str(pid))
    _inside(switch, "link", "set", port, "master", "switch", "up")
    _inside(pid, "link", "set", device, "up")
    _inside(pid, "address", "add", f"{address}/24", "dev", device)


def _start(number: int, directory: Path, switch: int, group: str) -> Engine:
    name, address = f"node{number}", f"{_NETWORK}.{10 + number}"
    directory.mkdir()
    # Storage is a tmpfs in the engine's own mount namespace: deleting it from a disk would take longer than the test.
    # There is no other route, so that looking for a registry fails at once.
    command = f"""
        hostname {name}
        mkdir {directory}/stored
        mount -t tmpfs -o size=8g digits-swarm {directory}/stored
        ip link set lo up
        until ip -oneline -4 address show dev eth0 2>/dev/null | grep -q inet; do sleep 0.1; done
        exec dockerd --host unix://{directory}/socket --pidfile {directory}/pid \\
            --data-root {directory}/stored/data --exec-root {directory}/stored/exec \\
            --cgroup-parent /{group}/{name} --no-new-privileges
    """
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*_UNSHARE, "sh", "-euc", command], stdout=log, stderr=log)
    until(lambda: _has_own_network(process.pid), 10, f"a network for {name}")
    _plug_in(switch, name, process.pid, "eth0", address)
    return Engine(name, address, directory, process, switch)


def _has_own_network(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _inside(pid: int, *arguments: str) -> None:
    run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", *arguments)


def _remove_cgroups(group: str) -> None:
    """Remove the engines' cgroups; ending processes hold them for a moment."""

    def removed() -> bool:
        parents = [path for path in (_CGROUPS / group, *_CGROUPS.glob(f"*/{group}")) if path.exists()]
        for directory in (path for parent in parents for path in [*sorted(parent.rglob("*/"), reverse=True), parent]):
            with suppress(OSError):
                directory.rmdir()
        return not any(parent.exists() for parent in parents)

    until(removed, 30, f"the control groups {group} are removed")
