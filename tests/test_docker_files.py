"""The Docker files agree with each other and with the settings; no engine needed."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from service.errors import MalformedRequest, NotReady, SlowRequest, TooBusy, TooLarge, WrongMethod
from service.settings import Settings, table

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
STAGES = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)


def test_plain_build_makes_the_service() -> None:
    assert STAGES[-1] == "service"
    assert set(re.findall(r"target: ([\w-]+)", COMPOSE)) == {"service", "training"} <= set(STAGES)


def test_every_extra_has_a_lock() -> None:
    extras = re.findall(r"EXTRA[=:] ?([\w-]+)", DOCKERFILE + COMPOSE)
    assert set(extras) == {"serve", "serve-cuda", "train", "train-cuda"}
    assert all((ROOT / "requirements" / f"{extra}.txt").is_file() for extra in extras)


def test_compose_file_is_short() -> None:
    assert len(COMPOSE.splitlines()) <= 110


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE], ids=["Dockerfile", "docker-compose.yml"])
def test_names_only_settings_that_exist(text: str) -> None:
    known = {variable for variable, *_ in table()}
    assert set(re.findall(r"DIGITS_[A-Z_]+", text)) <= known


def test_compose_takes_no_variable_that_the_service_would_refuse() -> None:
    """An unknown DIGITS_* variable stops the service, so the compose file's own variables must have other names."""
    assert not re.search(r"\$\{?DIGITS_", COMPOSE)


def test_compose_waits_longer_than_the_service_does() -> None:
    period = re.search(r"stop_grace_period: (\d+)s", COMPOSE)
    assert period
    assert int(period[1]) > Settings().grace_seconds


def test_proxy_has_the_services_body_limit_and_port() -> None:
    size = re.search(r"client_max_body_size (\d+);", NGINX)
    assert size
    assert int(size[1]) == Settings().max_upload_bytes
    assert NGINX.count("service:8000") == 2  # the replicas that it knows, and the new ones that it looks up
    assert "DIGITS_BIND=0.0.0.0:8000" in DOCKERFILE


def test_proxy_errors_have_the_services_codes() -> None:
    said = re.findall(r"^ +(\d{3}) '(\{.*\})';$", NGINX, re.MULTILINE)
    codes = {int(status): json.loads(body)["code"] for status, body in said}
    ours = {
        kind.status: kind.code for kind in (MalformedRequest, WrongMethod, SlowRequest, TooLarge, TooBusy, NotReady)
    }
    assert {status: codes[status] for status in ours} == ours
    pages = {int(status) for line in re.findall(r"error_page ([\d ]+)", NGINX) for status in line.split()}
    made_into_others = {494, 500, 501, 502, 504, 505}
    assert {status for status in pages if status not in codes} == made_into_others


def test_both_images_run_as_the_same_user() -> None:
    """They share the models volume."""
    assert len(re.findall(r"^USER (\d+:\d+)$", DOCKERFILE, re.MULTILINE)) == 2
    assert set(re.findall(r"(?:USER |--chown=)(\S+)", DOCKERFILE)) == {"10001:10001"}


def test_commands_are_in_exec_form() -> None:
    """In shell form the shell is process 1 and forwards no signals."""
    assert re.findall(r"(?:^|\s)(?:CMD|ENTRYPOINT) ([^\n])", DOCKERFILE) == ["["] * 3


def test_both_images_say_what_they_are() -> None:
    terms = (ROOT / "LICENSE").read_text(encoding="utf-8").split()[0]
    assert re.findall(r'image\.title="([^"]+)"', DOCKERFILE) == ["digits-training", "digits"]
    assert re.findall(r'image\.licenses="([^"]+)"', DOCKERFILE) == [terms] * 2
    assert len(re.findall(r'image\.description="[^"]+"', DOCKERFILE)) == 2


def test_both_images_say_which_version_and_commit_they_are() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    before_stages, *_ = DOCKERFILE.partition("\nFROM ")
    assert f"\nARG VERSION={version}\n" in before_stages
    for name in ("version", "revision"):
        label = rf'^ARG {name.upper()}\n(?:.*\n)*?.*image\.{name}="\${name.upper()}"'
        assert len(re.findall(label, DOCKERFILE, re.MULTILINE)) == 2


def test_byte_code_holds_no_time() -> None:
    """Else two builds would differ in every file of it."""
    installs = re.findall(r"(SOURCE_DATE_EPOCH=0 )?pip --python /opt/venv install", DOCKERFILE)
    assert installs == ["SOURCE_DATE_EPOCH=0 "] * 2
    compiles = re.findall(r"-m compileall -q( --invalidation-mode unchecked-hash)?", DOCKERFILE)
    assert all(compiles)
    assert len(compiles) == 2


def test_build_context_is_named_file_by_file() -> None:
    rules = [line for line in IGNORED.splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!requirements/*.txt",
        "!service",
        "!training",
        "!models",
    }
    assert "**/.*" in rules
