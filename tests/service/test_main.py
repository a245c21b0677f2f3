"""`python -m service`: messages and errors before the server starts."""

import os
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from service.__main__ import address_refusal
from service.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def start(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=20, check=False
    )


def test_help_shows_each_command_and_each_setting_with_its_default() -> None:
    result = start("--help")
    assert (result.returncode, result.stderr) == (0, "")
    shown = result.stdout
    assert "\n    predict " in shown
    assert "\n    models " in shown
    for field in fields(Settings):
        assert f"DIGITS_{field.name.upper()}={field.metadata['default']}\n" in shown
        assert field.metadata["help"] in shown


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("DIGITS_WORKERS", "0", "a whole number from 1 to 256"),
        ("DIGITS_PROVIDER", "gpu", "auto or cpu or cuda"),
        ("DIGITS_BIND", "8000", "HOST:PORT"),
        ("DIGITS_WORKER", "2", "--help"),
    ],
)
def test_a_bad_setting_is_one_line_and_status_2(variable: str, value: str, allowed: str) -> None:
    result = start(**{variable: value})
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert variable in line
    assert allowed in line


def test_removed_settings_give_a_warning_each(tmp_path: Path) -> None:
    given = {"DIGITS_BATCH_WINDOW_US": "200", "DIGITS_MAX_IN_FLIGHT": "16", "DIGITS_MODELS_DIR": str(tmp_path)}
    result = start("models", **given)
    window, in_flight, no_model = result.stderr.splitlines()
    assert window.startswith("DIGITS_BATCH_WINDOW_US is no longer a setting: ")
    assert in_flight.startswith("DIGITS_MAX_IN_FLIGHT is no longer a setting: ")
    assert "DIGITS_QUEUE_SECONDS" in in_flight
    assert "has no version" in no_model


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        result = start(DIGITS_BIND=bind)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line == f"DIGITS_BIND={bind}: the address is in use; stop what listens there, or choose another."


@pytest.mark.parametrize(
    ("bind", "refusal"),
    [
        ("127.0.0.1:0", ""),
        (":0", ""),
        ("unix:service.sock", ""),
        ("127.0.0.1:99999", "largest port"),
        ("192.0.2.1:0", "cannot assign requested address"),
        ("no-such-host.invalid:0", "not known"),
    ],
)
def test_address(bind: str, refusal: str) -> None:
    found = address_refusal(bind)
    assert refusal in found
    assert bool(found) == bool(refusal)


def test_a_socket_is_taken_from_a_killed_server_only(tmp_path: Path) -> None:
    path = tmp_path / "digits.sock"
    bind = f"unix:{path}"
    assert "no such file or directory" in address_refusal(f"unix:{tmp_path}/missing/digits.sock")
    assert "too long" in address_refusal(f"{bind}{'a' * 200}")
    assert "no socket" in address_refusal(f"unix:{tmp_path}")
    assert (address_refusal(bind), path.exists()) == ("", False)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert address_refusal(bind) == address_refusal(f"unix://{path}")
        assert "in use" in address_refusal(bind)
    assert (address_refusal(bind), path.exists()) == ("", True)


@pytest.mark.parametrize("command", [[], ["predict", "docs/seven.png"], ["models"]])
def test_missing_packages_are_one_line(command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-S", "-m", "service", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert ".venv/serve/bin/python -m service" in line
    assert "make serve" in line
