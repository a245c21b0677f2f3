"""Confinement of the compose deployment, seen from outside its containers."""

import socket
from typing import Any

from benchmarks.hardening import load
from benchmarks.hardening.proxied import compose, python
from benchmarks.hardening.score import Score
from tests import drawing
from tests.deployment import Deployment
from tests.deployment import run as docker

TITLE = "the compose deployment from outside"
EXPECTED = "no root, read-only, no capabilities, no new privileges, limits; no connection goes out"

_TELEMETRY = 'import json, os, service; print(json.dumps(os.environ["ORT_DISABLE_TELEMETRY"]))'
# State and remote address of each connection of a container, in hexadecimal.
_CONNECTIONS = """
import json
rows = [line.split() for name in ("tcp", "tcp6", "udp", "udp6") for line in open(f"/proc/1/net/{name}").readlines()[1:]]
print(json.dumps([[row[3], row[2].split(":")[0]] for row in rows]))
"""
_LISTENING = "0A"


def run(score: Score) -> None:
    """Check each container, then its connections in use."""
    if deployment := compose(score):
        for container in deployment.containers():
            _confined(score, container)
        for container in deployment.running():
            status = docker("docker", "exec", container["Id"], "cat", "/proc/1/status")
            check_process(score, container["Name"], status)
        _nothing_goes_out(score, deployment, score.choose(200, 5000))


def _confined(score: Score, container: Any) -> None:
    name, limits = container["Name"], container["HostConfig"]
    score.check(container["Config"]["User"].split(":")[0] not in ("", "0", "root"), f"{name}: root")
    score.check(limits["ReadonlyRootfs"], f"{name}: its file system can be written to")
    score.check(limits["CapDrop"] == ["ALL"] and not limits["CapAdd"], f"{name}: capabilities")
    score.check(not limits["Privileged"] and "no-new-privileges:true" in limits["SecurityOpt"], f"{name}: privileges")
    for limit in ("Memory", "CpuQuota", "PidsLimit"):
        score.check((limits[limit] or 0) > 0, f"{name}: no limit of {limit}")


def check_process(score: Score, name: str, status: str) -> None:
    """Check the kernel's view too, by a container's /proc/1/status, not only Docker's configuration."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    score.check("0" not in fields["Uid"].split(), f"{name}: user {fields['Uid']}")
    capabilities = {int(fields[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    score.check(capabilities == {0}, f"{name}: capabilities {capabilities}")
    score.check(fields["NoNewPrivs"] == "1", f"{name}: new privileges")


def _nothing_goes_out(score: Score, deployment: Deployment, count: int) -> None:
    """Use the service, and check the peers of its connections."""
    replicas = [container["Id"] for container in deployment.containers("service")]
    proxy = deployment.containers("proxy")[0]["NetworkSettings"]["Networks"]
    known = {_hexadecimal(network["IPAddress"]) for network in proxy.values()} | {"0100007F", "0B00007F", "00000000"}
    requests = [*load.digits(), load.post(drawing.png(1), "/predict/batch"), load.get("/"), load.get("/metrics")]
    clients = load.Load(deployment.port, requests, 4)
    for _ in range(10):
        clients.run(count // 10)
        for replica in replicas:
            others = {address for state, address in python(replica, _CONNECTIONS) if state != _LISTENING}
            strange = {address for address in others if address[-8:] not in known}
            score.check(not strange, f"a replica has connections with {strange}")
    networks = {
        name for container in deployment.containers("service") for name in container["NetworkSettings"]["Networks"]
    }
    internal = [docker("docker", "network", "inspect", "--format", "{{.Internal}}", name).strip() for name in networks]
    score.check(internal == ["true"], f"the networks of the service are internal: {internal}")
    score.note(f"connections looked at {10 * len(replicas)} times during {count} requests")
    score.check(python(replicas[0], _TELEMETRY) == "1", "telemetry is on")


def _hexadecimal(address: str) -> str:
    """Return an IPv4 address as /proc/net/tcp writes it on this machine."""
    return socket.inet_aton(address)[::-1].hex().upper() if address else ""
