"""Every command in README.md and docs/ runs unchanged, against a service with the published model."""

import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import ROOT, Server, running, serving

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("curl", ".venv/serve/bin/python")  # others need a container engine, a cluster, or hours


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a block; if some begin with $, the other lines are their output."""
    prompted, open_command = "\n$ " in f"\n{text}", ""
    for line in text.splitlines():
        if not open_command:
            if prompted and not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        open_command += f"{line}\n"
        try:
            shlex.split(open_command, comments=True)
        except ValueError:  # a quoted string continues on the next line
            continue
        if not open_command.endswith("\\\n"):
            yield open_command.strip()
            open_command = ""


def found(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, command)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
        for command in ([text] if language else commands(text))
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(MODELS_DIR=ROOT / "models", CORRECTIONS_DIR=tmp_path_factory.mktemp("corrections")) as started:
        yield started


def run(command: str, port: int) -> str:
    shell = command.replace("localhost:8000", f"127.0.0.1:{port}").replace(RUN[1], sys.executable)
    result = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    return result.stdout


SHELL = [(page, command) for page, command in found("") if command.startswith(RUN)]


@pytest.mark.parametrize(("page", "command"), SHELL, ids=[f"{page}-{i}" for i, (page, _) in enumerate(SHELL)])
def test_every_command_runs_unchanged(server: Server, page: str, command: str) -> None:
    printed = run(command, server.port)
    if "README.md localhost" not in command:  # which shows an error
        assert '"error"' not in printed, f"{page}: {command}"


@pytest.mark.parametrize(("page", "program"), found("python"))
def test_a_program_prints_what_its_comments_say(server: Server, page: str, program: str) -> None:
    expected = re.findall(r"print\(.*\)  # (.*)", program)
    asked = program.replace("localhost:8000", f"127.0.0.1:{server.port}")
    result = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, f"{page}: {result.stderr}"
    assert result.stdout.split("\n")[:-1] == expected


def test_make_has_targets_for_generated_files() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    made = {word for _, command in found("") for word in re.findall(r"^make ([a-z-]+)", command)}
    assert "serve" in made
    assert {target for target in made if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize("client", ["curl", "python"])
def test_the_retry_example_survives_a_service_without_a_model(client: str, tmp_path: Path) -> None:
    [program] = [text for page, text in found("python") if page == "api.md" and "Retry(" in text]
    [command] = [text for page, text in SHELL if page == "api.md" and "--retry" in text]
    with running(MODELS_DIR=tmp_path) as started:
        started.wait_for("/livez")
        printed: list[str] = []
        given = command if client == "curl" else f"{sys.executable} -c {shlex.quote(program)}"
        asking = threading.Thread(target=lambda: printed.append(run(given, started.port)))
        asking.start()
        time.sleep(1)
        assert started.request("GET", "/readyz")[0] == 503
        shutil.copytree(ROOT / "models" / "mnist-dmlp", tmp_path / "new")
        (tmp_path / "new").rename(tmp_path / "mnist-dmlp")
        asking.join(60)
    assert printed[0].strip() == "7" if client == "python" else '"digit":7' in printed[0]
