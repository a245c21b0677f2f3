import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from training.release import publish

NAME = "model"
FILES = ("model.onnx", "README.md", "manifest.json")

# Writes a version whose files all contain its number and writer. With a step number, it dies as by `kill -9` before
# that call on the models directory.
_PUBLISHER = """
import os, signal, sys, time
from pathlib import Path

from tests.training.release.test_publish import NAME, writer
from training.release import publish

models, author, die_at, start_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
steps = 0

def step(event, arguments):
    global steps
    touches = any(str(models) in str(argument) for argument in arguments) or event == "os.fsync"
    if touches and event in ("open", "os.mkdir", "os.rename", "os.chmod", "os.fsync", "os.rmdir", "os.remove"):
        steps += 1
        if steps == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

real = os.fsync
os.fsync = lambda descriptor: (sys.audit("os.fsync", descriptor), real(descriptor))
sys.addaudithook(step)
time.sleep(max(0, start_at - time.time()))
print(publish.publish(models, NAME, writer(author)))
"""


def writer(author: str) -> Callable[[Path, str], None]:
    """Return a function that writes a version whose files all contain its number and writer."""

    def write(directory: Path, version: str) -> None:
        for name in FILES:
            (directory / name).write_text(f"{version} {author} {name}" * 1_000)

    return write


def publisher(models: Path, author: str, *, die_at: int = 0, start_at: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PUBLISHER, str(models), author, str(die_at), str(start_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def versions(models: Path) -> list[str]:
    """Return the versions that a reader sees, after checking that each is complete."""
    found = [path for path in (models / NAME).iterdir() if not path.name.startswith(".")]
    for path in found:
        contents = {name: (path / name).read_text() for name in FILES}
        assert entries(path) == set(FILES)
        author = contents[FILES[0]].split(" ")[1]
        assert contents == {name: f"{path.name} {author} {name}" * 1_000 for name in FILES}
    return sorted((path.name for path in found), key=int)


def entries(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def hidden(models: Path) -> list[str]:
    return sorted(name for name in entries(models / NAME) if name.startswith("."))


def test_versions_are_numbered_from_one(tmp_path: Path) -> None:
    models = tmp_path / "new" / "models"
    assert [publish.publish(models, NAME, writer("a")) for _ in range(11)] == [str(number) for number in range(1, 12)]
    assert versions(models) == [str(number) for number in range(1, 12)]
    assert hidden(models) == []


def test_foreign_entries_are_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / NAME
    for name in ("latest", "v7", "3.bak", "-5", ".hidden"):
        (directory / name).mkdir(parents=True)
    (directory / "config.pbtxt").touch()
    before = entries(directory)
    assert publish.publish(tmp_path, NAME, writer("a")) == "1"
    assert entries(directory) == before | {"1"}


@pytest.mark.parametrize("occupy", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_an_existing_name_is_not_used_as_a_number(tmp_path: Path, occupy: Callable[[Path], None]) -> None:
    (tmp_path / NAME).mkdir()
    occupy(tmp_path / NAME / "4")
    assert publish.publish(tmp_path, NAME, writer("a")) == "5"


def test_the_loser_of_a_race_takes_the_next_number(tmp_path: Path) -> None:
    seen = []

    def write(directory: Path, version: str) -> None:
        writer("slow")(directory, version)
        seen.append(version)
        if version == "1":
            assert publish.publish(tmp_path, NAME, writer("fast")) == "1"

    assert publish.publish(tmp_path, NAME, write) == "2"
    assert seen == ["1", "2"]
    assert versions(tmp_path) == ["1", "2"]


def test_eight_at_once_get_eight_numbers(tmp_path: Path) -> None:
    start_at = time.time() + 1.5
    running = [publisher(tmp_path, f"author{number}", start_at=start_at) for number in range(8)]
    printed = [process.communicate()[0].strip() for process in running]
    assert sorted(printed, key=int) == [str(number) for number in range(1, 9)]
    assert versions(tmp_path) == [str(number) for number in range(1, 9)]
    authors = {(tmp_path / NAME / version / FILES[0]).read_text().split(" ")[1] for version in printed}
    assert len(authors) == 8
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")], ids=repr)
def test_a_writer_that_raises_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    publish.publish(tmp_path, NAME, writer("a"))

    def write(directory: Path, version: str) -> None:
        writer("b")(directory, version)
        raise error

    with pytest.raises(type(error)) as caught:
        publish.publish(tmp_path, NAME, write)
    assert caught.value is error
    assert not isinstance(error, OSError) or error.filename == str(tmp_path / NAME)
    assert versions(tmp_path) == ["1"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("owner", [(os, "fsync"), (os, "open"), (Path, "rename"), (Path, "chmod"), (Path, "open")])
def test_an_error_in_any_call_leaves_whole_versions_only(tmp_path: Path, owner: tuple[object, str]) -> None:
    real = getattr(*owner)
    for failing in range(1, 30):
        calls = 0

        def fail(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == failing:  # noqa: B023
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments, **options)

        before = len(versions(tmp_path)) if (tmp_path / NAME).exists() else 0
        published = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*owner, fail)
            with contextlib.suppress(OSError):  # it may raise or not; the files left behind count
                published = publish.publish(tmp_path, NAME, writer("a"))
        assert len(versions(tmp_path)) == before + (published is not None)
        assert hidden(tmp_path) == []
        if calls < failing:
            break
    assert failing > 1, "the call is made at all"
    assert calls < failing, "every call was made to fail"


def test_killed_at_any_step_leaves_whole_versions_only(tmp_path: Path) -> None:
    published: list[str] = []
    for die_at in range(1, 60):
        process = publisher(tmp_path, "killed", die_at=die_at)
        printed = process.communicate()[0].strip()
        if (tmp_path / NAME).exists():
            assert versions(tmp_path) == [str(number) for number in range(1, len(versions(tmp_path)) + 1)]
        if process.returncode == 0:
            published.append(printed)
            break
        assert process.returncode == -signal.SIGKILL
    assert die_at > 10, "there are many steps"
    assert published == [versions(tmp_path)[-1]], "the one that was left alive published the next number"
    assert 0 < len(hidden(tmp_path)) < die_at


def test_old_leftovers_of_killed_publishers_are_deleted(tmp_path: Path) -> None:
    for _ in range(2):
        publisher(tmp_path, "killed", die_at=7).communicate()
    old, young = (tmp_path / NAME / name for name in hidden(tmp_path))
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    publish.publish(tmp_path, NAME, writer("a"))
    assert hidden(tmp_path) == [young.name], "the young one may belong to a publisher that is at work"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_others_can_read_a_version(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        version = publish.publish(tmp_path, NAME, writer("a"))
    finally:
        os.umask(before)
    directory = tmp_path / NAME / version
    assert directory.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o644}
