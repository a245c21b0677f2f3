"""Settings: how they are parsed, and the errors."""

from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from service import settings as module
from service.cpus import available_cpus
from service.errors import SettingsError
from service.settings import Settings, expects_cuda, former, table


def test_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert settings.bind == "127.0.0.1:8000"
    assert settings.workers == available_cpus() >= 1
    assert settings.models_dir == Path.cwd() / "models"


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("BIND", "0.0.0.0:80", "0.0.0.0:80"),
        ("BIND", "[::]:8000", "[::]:8000"),
        ("BIND", "unix:/run/digits.sock", "unix:/run/digits.sock"),
        ("WORKERS", "3", 3),
        ("WORKERS", " 3 ", 3),  # as in the files of Docker
        ("MODELS_DIR", "/srv/models", Path("/srv/models")),
        ("MODEL_VERSION", "12", "12"),
        ("CORRECTIONS_DIR", "/tmp/not-there/corrections", Path("/tmp/not-there/corrections")),
        ("CORRECTIONS_MAX", "5", 5),
        ("PROVIDER", "cuda", "cuda"),
        ("MAX_UPLOAD_BYTES", "2048", 2048),
        ("LOG_FORMAT", "json", "json"),
        ("QUEUE_SECONDS", "5", 5),
        ("KEEPALIVE_SECONDS", "600", 600),
        ("GPU_MEMORY_MB", "512", 512),
        ("WORKERS", "", available_cpus()),  # Compose passes unset variables as empty ones
    ],
)
def test_a_variable_sets_its_setting(variable: str, text: str, value: Any) -> None:
    assert getattr(Settings.from_environ({f"DIGITS_{variable}": text}), variable.lower()) == value


BAD = {
    "BIND": ["8000", "host:port", "127.0.0.1:8_000", "127.0.0.1:٨٠٠٠"],
    "WORKERS": ["0", "two", "1.5", "1_0", "+3", "٣"],
    "THREADS": ["257"],
    "MAX_UPLOAD_BYTES": ["16_777_216", "1e6"],
    "MAX_PIXELS": ["-1"],
    "MODEL_NAME": ["../else"],
    "MODEL_VERSION": ["1_0", "0", "v1"],
    "CORRECTIONS_DIR": ["/etc/passwd"],
    "CORRECTIONS_MAX": ["0"],
    "PROVIDER": ["CPU"],
    "LOG_LEVEL": ["loud"],
    "QUEUE_SECONDS": ["0"],
    "KEEPALIVE_SECONDS": ["3601"],
    "GPU_MEMORY_MB": ["0"],
    "ROOT_PATH": ["ml/digits", "//evil.example", "/ml/digits?"],
}


@pytest.mark.parametrize(("variable", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_the_error_names_a_bad_value_and_what_is_allowed(variable: str, text: str) -> None:
    allowed = {name: allowed for name, _, allowed, _ in table()}[f"DIGITS_{variable}"]
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({f"DIGITS_{variable}": text})
    assert str(raised.value) == f"DIGITS_{variable}={text!r} is not allowed: {allowed}."


def test_a_misspelt_variable_is_rejected() -> None:
    with pytest.raises(SettingsError, match="DIGITS_WORKER is not a setting"):
        Settings.from_environ({"DIGITS_WORKER": "2"})
    assert Settings.from_environ({"WORKERS": "two", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize("name", ["DIGITS_BATCH_WINDOW_US", "DIGITS_MAX_IN_FLIGHT"])
@pytest.mark.parametrize("text", ["0", "200", "whatever it was"])
def test_a_removed_setting_gives_a_warning(name: str, text: str) -> None:
    assert Settings.from_environ({name: text}) == Settings()
    [sentence] = former({name: text, "DIGITS_WORKERS": "2"})
    assert sentence.startswith(f"{name} is no longer a setting: ")
    assert former({name: ""}) == former({}) == []


@pytest.mark.parametrize("name", ["DIGITS", "DIGITS_GPU", "DIGITS_CANARY_2"])
@pytest.mark.parametrize(
    "link",
    [
        "SERVICE_HOST=10.0.0.1",
        "SERVICE_HOST=fd00::1",
        "SERVICE_PORT=80",
        "SERVICE_PORT_HTTP=80",
        "PORT=tcp://10.0.0.1:80",
        "PORT_80_TCP=tcp://[fd00::1]:80",
        "PORT_80_TCP_PROTO=tcp",
        "PORT_80_TCP_PORT=80",
        "PORT_53_UDP_ADDR=10.0.0.1",
        "NAME=/web/digits",
        "ENV_PYTHON_VERSION=3.13",
    ],
)
def test_variables_of_linked_services_and_containers_are_ignored(name: str, link: str) -> None:
    variable, _, value = link.partition("=")
    assert Settings.from_environ({f"{name}_{variable}": value}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DIGITS_PORT", "9000"),
        ("DIGITS_PORT_80_TCP", "yes"),
        ("DIGITS_SERVICE_HOST", "example.org"),
        ("DIGITS_GPU_SERVICE_PORT", "http"),
        ("DIGITS_PORT_80_TCP_ADDR", "here"),
        ("DIGITS_NAME", "mine"),
    ],
)
def test_a_lookalike_link_is_rejected(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not a setting"):
        Settings.from_environ({variable: value})


def test_a_gpu_defaults_to_one_process_with_more_threads() -> None:
    found = Settings.from_environ({"DIGITS_PROVIDER": "cuda"})
    assert (found.workers, found.threads, found.queue_seconds) == (1, 16, 2)
    found = Settings.from_environ({"DIGITS_PROVIDER": "cuda", "DIGITS_WORKERS": "3", "DIGITS_THREADS": "5"})
    assert (found.workers, found.threads, found.queue_seconds) == (3, 5, 2)
    assert Settings.from_environ({"DIGITS_PROVIDER": "cpu"}) == Settings(provider="cpu")


@pytest.mark.parametrize("there", [True, False])
def test_auto_expects_cuda_if_there_is_a_gpu(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidiactl").touch()  # the driver's own device
    if there:
        (tmp_path / "nvidia3").touch()
    monkeypatch.setattr(module, "_DEVICES", tmp_path)
    assert not expects_cuda("auto") or "onnxruntime-gpu" in installed(), "the GPU alone is not enough"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "onnxruntime_gpu-1.0.dist-info").mkdir()
    (tmp_path / "onnxruntime_gpu-1.0.dist-info" / "METADATA").write_text("Name: onnxruntime-gpu\nVersion: 1.0\n")
    assert expects_cuda("auto") == there
    assert expects_cuda("cuda")
    assert not expects_cuda("cpu")


def installed() -> set[str]:
    return {distribution.name for distribution in metadata.distributions()}


def test_table_lists_each_setting() -> None:
    assert [name for name, *_ in table()] == [f"DIGITS_{field.name.upper()}" for field in fields(Settings)]
