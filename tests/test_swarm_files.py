"""The swarm stack agrees with the compose file, the proxy and the settings; no engine needed."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.server import ROOT

NGINX = ROOT / "deploy" / "nginx" / "nginx.conf"
RENDER = ROOT / "deploy" / "swarm" / "render"
# Keys that `docker stack deploy` rejects or ignores.
OF_ONE_HOST = {"build", "cpu_period", "cpu_quota", "depends_on", "mem_limit", "pids_limit", "restart", "scale"} | {
    "security_opt",
    "tmpfs",
}


def printed(*command: str, given: str = "", **variables: str) -> str:
    """Return the output of a command, run with only these of the relevant variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DIGITS_"))}
    done = subprocess.run(
        command, input=given, cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rendered() -> str:
    try:
        printed("docker", "compose", "version")
    except (AssertionError, FileNotFoundError):
        pytest.skip("Docker Compose v2 is not installed, so the stack cannot be rendered")
    return printed(str(RENDER))


@pytest.fixture(scope="module")
def stack(rendered: str) -> Any:
    return yaml.safe_load(rendered)


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(printed("docker", "compose", "--file", "docker-compose.yml", "config"))


def test_docker_accepts_the_stack_file(rendered: str) -> None:
    if not re.search(r"^ +config ", printed("docker", "stack", "--help"), re.MULTILINE):
        pytest.skip("this Docker cannot look at a stack without deploying it")
    read = yaml.safe_load(printed("docker", "stack", "config", "--compose-file", "-", given=rendered))
    assert set(read["services"]) == {"proxy", "service"}


def test_swarm_file_differs_from_compose_only_where_swarm_requires(stack: Any, compose: Any) -> None:
    assert set(stack["services"]) == {"proxy", "service"} == set(compose["services"]) - {"models"}
    for name, service in stack["services"].items():
        of_one_host = compose["services"][name]
        assert not set(service) & OF_ONE_HOST
        kept = set(of_one_host) - {*OF_ONE_HOST, "deploy", "healthcheck", "ports", "volumes"}
        assert {key: service[key] for key in kept} == {key: of_one_host[key] for key in kept}
        limits = service["deploy"]["resources"]["limits"]
        assert int(limits["memory"]) == int(of_one_host["mem_limit"])
        assert limits["pids"] == of_one_host["pids_limit"]
        assert float(limits["cpus"]) * of_one_host["cpu_period"] == int(of_one_host["cpu_quota"])


def test_serves_the_model_of_its_image(stack: Any) -> None:
    """A volume would keep its first content and hide the model of every newer image."""
    for service in stack["services"].values():
        assert [(volume["type"], volume["target"]) for volume in service["volumes"]] == [("tmpfs", "/tmp")]
    assert "volumes" not in stack


def test_a_failed_update_is_rolled_back(stack: Any) -> None:
    for service in stack["services"].values():
        assert service["deploy"]["update_config"]["failure_action"] == "rollback"
    replicas = stack["services"]["service"]["deploy"]
    assert replicas["update_config"]["order"] == replicas["rollback_config"]["order"] == "start-first"


def test_proxy_resolves_every_replica(stack: Any) -> None:
    assert {service["deploy"]["endpoint_mode"] for service in stack["services"].values()} == {"dnsrr"}
    assert [port["mode"] for port in stack["services"]["proxy"]["ports"]] == ["host"]


def test_proxy_configuration_is_named_by_content(stack: Any) -> None:
    assert stack["services"]["proxy"]["configs"] == [{"source": "nginx", "target": "/etc/nginx/nginx.conf"}]
    config = stack["configs"]["nginx"]
    assert Path(config["file"]) == NGINX
    assert config["name"] == f"digits-nginx-{hashlib.sha256(NGINX.read_bytes()).hexdigest()[:12]}"


def test_proxy_times_out_early_enough_to_retry(stack: Any) -> None:
    """If a node loses power, the connection must fail while nginx may still retry."""
    text, sysctls = NGINX.read_text(encoding="utf-8"), stack["services"]["proxy"]["sysctls"]
    time, interval, probes = (int(sysctls[f"net.ipv4.tcp_keepalive_{name}"]) for name in ("time", "intvl", "probes"))
    asks = re.search(r"proxy_next_upstream_timeout (\d+)s;", text)
    assert asks
    assert "proxy_socket_keepalive on;" in text
    assert time + interval * probes < int(asks[1])


def test_variables_name_image_and_numbers(stack: Any) -> None:
    other = yaml.safe_load(printed(str(RENDER), SERVICE_IMAGE="there/digits:2", REPLICAS="5", SERVICE_PORT="80"))
    assert other["services"]["service"]["image"] == "there/digits:2"
    assert other["services"]["service"]["deploy"]["replicas"] == 5
    assert other["services"]["proxy"]["ports"][0]["published"] == 80
    assert stack["services"]["proxy"]["ports"][0]["published"] == 8000
