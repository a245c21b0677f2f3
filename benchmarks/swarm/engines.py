"""Docker engines on one machine, each with a network, a host name, processes and mounts of its own, as if on several.

A switch in a network namespace joins them and this machine. An engine is a process of `unshare`: when it is killed the
kernel ends all that ran in there, containers included, and takes its mounts and its network away.
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

# RFC 2544: for measuring, so that no real network is hidden.
_NETWORK = "198.18.91"
HERE = f"{_NETWORK}.1"  # this machine, to the engines
# A node's bridge to the outside, as README.md in deploy/swarm/ says: what is published is reached, nothing gets out.
_NO_WAY_OUT = (
    *("--opt", "com.docker.network.bridge.name=docker_gwbridge"),
    *("--opt", "com.docker.network.bridge.enable_icc=false"),
    *("--opt", "com.docker.network.bridge.enable_ip_masquerade=false"),
)
_CGROUPS = Path("/sys/fs/cgroup")
_UNSHARE = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")


def missing() -> str:
    """Return what engines on this machine need and it lacks, empty where they can be had."""
    if os.geteuid() != 0:
        return "only root may make networks and start engines"
    commands = ("dockerd", "unshare", "nsenter", "ip")
    return ", ".join(f"{command} is not installed" for command in commands if shutil.which(command) is None)


@dataclass(frozen=True)
class Engine:
    """A Docker engine, which is a node of the swarm."""

    name: str
    address: str
    directory: Path
    process: subprocess.Popen[bytes]
    switch: int

    @property
    def host(self) -> str:
        """Where its clients find it."""
        return f"unix://{self.directory}/socket"

    def docker(self, *arguments: str) -> str:
        """Return what a command of Docker printed."""
        return run("docker", "--host", self.host, *arguments)

    def logged(self, container: str) -> list[str]:
        """Return the lines that a container, or what has been one, wrote to either of its streams."""
        command = ("docker", "--host", self.host, "logs", container)
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        return found.stdout.splitlines()

    def answers(self) -> bool:
        """Return whether it takes commands."""
        command = ("docker", "--host", self.host, "info")
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def cut_off(self) -> None:
        """Pull the cable: nothing comes in and nothing gets out, no goodbye either."""
        _inside(self.switch, "link", "set", self.name, "down")

    def kill(self) -> None:
        """End the engine and all that runs on it at once."""
        self.process.kill()
        self.process.wait()


@contextmanager
def engines(count: int) -> Iterator[list[Engine]]:
    """Start so many engines on a network of their own; at the end leave nothing of them."""
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
    """Make a swarm of these engines, each a manager, so that any one of three may be lost."""
    for engine in started:
        engine.docker("network", "create", *_NO_WAY_OUT, "docker_gwbridge")
    first, *others = started
    first.docker("swarm", "init", "--advertise-addr", first.address)
    token = first.docker("swarm", "join-token", "--quiet", "manager").strip()
    for engine in others:
        engine.docker("swarm", "join", "--advertise-addr", engine.address, "--token", token, f"{first.address}:2377")


def load(started: Sequence[Engine], *images: str) -> None:
    """Give images of this machine's engine to each of these: there is no registry between them."""
    with tempfile.NamedTemporaryFile(prefix="digits-swarm-", suffix=".tar") as archive:
        run("docker", "save", "--output", archive.name, *images)
        for engine in started:
            engine.docker("load", "--quiet", "--input", archive.name)


@contextmanager
def _switch() -> Iterator[int]:
    """Join this machine to a bridge in a network of its own, without its rules; yield the process in there."""
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
    """Lay a cable from a port of the switch to a device of the network in which a process is."""
    _inside(switch, "link", "add", port, "type", "veth", "peer", "name", device, "netns", str(pid))
    _inside(switch, "link", "set", port, "master", "switch", "up")
    _inside(pid, "link", "set", device, "up")
    _inside(pid, "address", "add", f"{address}/24", "dev", device)


def _start(number: int, directory: Path, switch: int, group: str) -> Engine:
    name, address = f"node{number}", f"{_NETWORK}.{10 + number}"
    directory.mkdir()
    # What an engine stores lies in memory, in a mount of its own, and is gone with it: to delete it all from a disk
    # would take longer than the rows do. No route leads anywhere else, so an engine finds out at once that there is no
    # registry.
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
    """Remove what the engines have left there; what is ending still holds it for a moment."""

    def removed() -> bool:
        parents = [path for path in (_CGROUPS / group, *_CGROUPS.glob(f"*/{group}")) if path.exists()]
        for directory in (path for parent in parents for path in [*sorted(parent.rglob("*/"), reverse=True), parent]):
            with suppress(OSError):
                directory.rmdir()
        return not any(parent.exists() for parent in parents)

    until(removed, 30, f"the control groups {group} are removed")
