"""The commands `python -m service predict`, `models` and `corrections`: output and exit status."""

import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from service.contract import FLOAT32_FILE, MANIFEST_FILE
from service.settings import Settings
from tests import door, drawing, factory
from tests.server import ROOT


def run(*arguments: str, stdin: bytes = b"", **settings: object) -> "subprocess.CompletedProcess[bytes]":
    given = {"PROVIDER": "cpu", **settings}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    environ |= {f"DIGITS_{name}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, input=stdin, capture_output=True, timeout=60, check=False)


def lines(output: bytes) -> list[list[str]]:
    return [line.split() for line in output.decode().splitlines()]


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{label}.png" for label in (3, 7)]
    for path in paths:
        path.write_bytes(drawing.png(int(path.stem)))
    return list(map(str, paths))


def test_a_table(models_dir: Path, pictures: list[str]) -> None:
    result = run("predict", *pictures, MODELS_DIR=models_dir)
    assert (result.returncode, result.stderr) == (0, b"")
    head, *rows = lines(result.stdout)
    assert head == ["file", "digit", "confidence", "certain"]
    assert [row[:2] for row in rows] == [[pictures[0], "3"], [pictures[1], "7"]]
    assert all(0.9 <= float(row[2]) <= 1 and row[3] == "yes" for row in rows)


def test_json_equals_the_answer_to_a_batch(models_dir: Path, pictures: list[str]) -> None:
    result = run("predict", "--json", *pictures, MODELS_DIR=models_dir)
    assert (result.returncode, result.stderr) == (0, b"")
    client = door.client_for(Settings(models_dir=models_dir, provider="cpu"))
    data = {"image": [(BytesIO(Path(path).read_bytes()), path) for path in pictures]}
    expected: Any = client.post("/predict/batch", data=data).json
    for answer, path in zip(expected["predictions"], pictures, strict=True):
        answer["file"] = path
        answer["probabilities"] = pytest.approx(answer["probabilities"], abs=1e-6)
        answer["confidence"] = pytest.approx(answer["confidence"], abs=1e-6)
    assert json.loads(result.stdout) == expected


def test_numbers(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "number.png").write_bytes(drawing.encode(drawing.number("402", "71")))
    path = str(tmp_path / "number.png")
    result = run("predict", "--number", path, MODELS_DIR=models_dir)
    assert (result.returncode, result.stderr) == (0, b"")
    [head, [file, certain, *number]] = lines(result.stdout)
    assert head == ["file", "certain", "number"]
    assert (file, number) == (path, ["402", "71"])
    assert certain in ("yes", "no")
    [answer] = json.loads(run("predict", "--number", "--json", path, MODELS_DIR=models_dir).stdout)["predictions"]
    client = door.client_for(Settings(models_dir=models_dir, provider="cpu"))
    expected: Any = client.post("/predict/number", data=Path(path).read_bytes(), content_type="image/png").json
    assert answer | {"model": expected["model"]} == {"file": path} | expected


def test_stdin(models_dir: Path) -> None:
    result = run("predict", "-", MODELS_DIR=models_dir, stdin=drawing.png(5))
    assert (result.returncode, lines(result.stdout)[1][:2]) == (0, ["-", "5"])


def test_unreadable_files_are_reported_and_the_rest_answered(
    models_dir: Path, pictures: list[str], tmp_path: Path
) -> None:
    (tmp_path / "blank.png").write_bytes(drawing.encode(drawing.digit(1, ink=255)))
    (tmp_path / "text.txt").write_bytes(b"no picture")
    (tmp_path / "large.png").write_bytes(bytes(100_001))
    bad = [str(tmp_path / name) for name in ("none.png", "blank.png", "text.txt", "large.png", "models")]
    result = run("predict", "--json", pictures[0], *bad, pictures[1], MODELS_DIR=models_dir, MAX_UPLOAD_BYTES=100_000)
    assert result.returncode == 1
    found = json.loads(result.stdout)["predictions"]
    codes = ["unreadable_file", "no_digit", "unsupported_image", "too_large", "unreadable_file"]
    assert [answer.get("code") for answer in found] == [None, *codes, None]
    assert [found[0]["digit"], found[-1]["digit"]] == [3, 7]
    told = result.stderr.decode().splitlines()
    assert [line.startswith(f"{path}: ") for line, path in zip(told, bad, strict=True)] == [True] * len(bad)
    assert "No such file or directory" in told[0]
    assert "Is a directory" in told[-1]


def test_errors_go_to_stderr_and_not_into_the_table(models_dir: Path, pictures: list[str]) -> None:
    result = run("predict", "/none.png", *pictures, MODELS_DIR=models_dir)
    assert result.returncode == 1
    assert [row[1] for row in lines(result.stdout)[1:]] == ["3", "7"]
    assert result.stderr.decode().splitlines() == [
        "/none.png: It cannot be read (No such file or directory): name a picture, or - for stdin."
    ]


@pytest.mark.parametrize("arguments", [("predict",), ("predict", "--xml", "x"), ("learn",), ("--port", "80")])
def test_unknown_arguments(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert len(result.stderr.splitlines()) == 1
    assert b"--help" in result.stderr


@pytest.mark.parametrize("command", [("predict", "-"), ("models",)])
def test_no_model(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, MODELS_DIR=tmp_path)
    assert (result.returncode, result.stdout) == (1, b"")
    [line] = result.stderr.decode().splitlines()
    assert line == "mnist-dmlp has no version: run `python -m training`, or set DIGITS_MODELS_DIR."


def test_versions(tmp_path: Path) -> None:
    def measured(fields: dict[str, Any]) -> None:
        fields["metrics"] = {"verified": {FLOAT32_FILE: {"test": {"errors": 50, "count": 10_000}}}}

    factory.publish(tmp_path, 1)
    factory.publish(tmp_path, 2, edit=measured)
    (factory.publish(tmp_path, 3) / MANIFEST_FILE).unlink()
    shown = run("models", MODELS_DIR=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, b"")
    head, *rows = lines(shown.stdout)
    assert head == ["version", "state", "accuracy", "size", "made", "file", "reason"]
    assert [row[:3] for row in rows] == [["3", "refused", "-"], ["2", "serves", "99.50%"], ["1", "sound", "-"]]
    result = run("models", "--json", MODELS_DIR=tmp_path, MODEL_VERSION=1)
    found = json.loads(result.stdout)
    assert (found["model"], found["serves"]) == ("mnist-dmlp", "1")
    assert [version["state"] for version in found["versions"]] == ["refused", "sound", "serves"]
    refused, sound, _ = found["versions"]
    assert "manifest.json cannot be read" in refused["reason"]
    assert sound["accuracy"] == 0.995
    assert sound["bytes"] == sum(path.stat().st_size for path in (tmp_path / "mnist-dmlp" / "2").iterdir())


def test_a_rejected_pinned_version_serves_nothing(models_dir: Path) -> None:
    factory.publish(models_dir, 2, content=b"no model")
    result = run("models", MODELS_DIR=models_dir, MODEL_VERSION=2)
    assert result.returncode == 1
    assert [row[:2] for row in lines(result.stdout)[1:]] == [["2", "refused"], ["1", "sound"]]
    assert result.stderr.decode().startswith("Version 2 is rejected. ONNX Runtime cannot load the model")


def test_a_closed_pipe_is_not_an_error(models_dir: Path, pictures: list[str]) -> None:
    environ = {**os.environ, "DIGITS_MODELS_DIR": str(models_dir), "DIGITS_PROVIDER": "cpu"}
    command = [sys.executable, "-m", "service", "predict", *pictures * 50]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, -signal.SIGPIPE)


def test_neither_flask_nor_gunicorn_is_loaded(models_dir: Path, pictures: list[str]) -> None:
    program = (
        "import sys\nfrom service.__main__ import main\n"
        f"assert main(['predict', {pictures[0]!r}]) == main(['models']) == 0\n"
        "assert not {'flask', 'werkzeug', 'gunicorn'} & set(sys.modules)\n"
    )
    environ = {**os.environ, "DIGITS_MODELS_DIR": str(models_dir), "DIGITS_PROVIDER": "cpu"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environ, check=True, timeout=60)


def test_the_readmes_command_prints_what_it_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("python -m service predict --number docs/number.png\n")[2].split("\n```")[0]
    printed = run("predict", "--number", "docs/number.png", MODELS_DIR=ROOT / "models").stdout.decode()
    assert printed.strip() == shown


def test_corrections_are_listed_and_deleted(models_dir: Path, tmp_path: Path) -> None:
    settings = Settings(models_dir=models_dir, provider="cpu", corrections_dir=tmp_path / "corrections")
    client = door.client_for(settings)
    given = {"MODELS_DIR": models_dir, "CORRECTIONS_DIR": tmp_path / "corrections"}
    assert run("corrections", **given).stdout == b""
    names = [
        client.post(f"/corrections?digit={digit}", data=drawing.png(3), content_type="image/png").get_json()["id"]
        for digit in (3, 8)
    ]
    client.post("/corrections?digit=5", data=drawing.png(5), content_type="image/png")
    (tmp_path / "corrections" / "0123.correction.json").write_text("{}")
    shown = run("corrections", **given)
    assert (shown.returncode, shown.stderr) == (0, b"")
    head, *rows = lines(shown.stdout)
    assert head == ["id", "created", "digit", "read", "confidence", "certain", "version", "bytes", "note"]
    assert names[0] == names[1]
    assert [row[0] for row in rows][::2] == [names[0], "0123"]
    assert ([*rows[0][2:4], rows[0][-1]], rows[1][2:4], rows[1][-1]) == (["8", "3", "suspect"], ["5", "5"], rows[1][7])
    assert [(len(row[4]), row[5]) for row in rows[:2]] == [(len("0.9999"), "yes")] * 2
    assert "cannot be read" in " ".join(rows[2])
    found = json.loads(run("corrections", "--json", **given).stdout)["corrections"]
    assert [each["note"][:7] for each in found] == ["suspect", "", "cannot "]

    deleted = run("corrections", "--delete", names[0], "nobody", **given)
    assert (deleted.returncode, deleted.stderr) == (1, b"There is no correction nobody.\n")
    assert len(lines(run("corrections", **given).stdout)) == 3
    assert run("corrections", "--delete", "all", **given).returncode == 0
    assert run("corrections", **given).stdout == b""


def test_corrections_command_without_a_directory(models_dir: Path) -> None:
    result = run("corrections", MODELS_DIR=models_dir)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"DIGITS_CORRECTIONS_DIR" in result.stderr
