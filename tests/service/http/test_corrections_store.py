"""Stored corrections: whole files, limited in number and size, with several writers."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from service.contract import Correction
from service.errors import InsufficientStorage
from service.http.corrections import Corrections
from tests.server import ROOT


def correction(image: bytes = b"picture", digit: int = 7) -> Correction:
    about = {"model": "mnist-dmlp", "version": "5", "created": "2026-01-01T00:00:00+00:00"}
    return Correction(digit=digit, read=1, confidence=0.99, certain=True, seen=b"seen", image=image, **about)


@pytest.fixture
def kept(tmp_path: Path) -> Corrections:
    return Corrections(tmp_path / "corrections", most=3, most_bytes=1 << 20)


def files(kept: Corrections) -> list[str]:
    return sorted(path.name for path in kept.directory.iterdir() if path.name != ".lock")


def test_corrections_are_listed_oldest_first(kept: Corrections) -> None:
    told = [correction(b"one", 1), correction(b"two", 2)]
    names = [kept.keep(each) for each in told]
    for age, name in enumerate(names):
        os.utime(kept.directory / f"{name}.correction.json", (age, age))
    assert list(kept.listed()) == list(zip(names, told, strict=True))
    assert Corrections(kept.directory / "none", 1, 1).delete("a") is False


def test_a_picture_is_kept_once_with_the_latest_digit(kept: Corrections) -> None:
    assert kept.keep(correction(digit=1)) == kept.keep(correction(digit=7))
    [(_, found)] = kept.listed()
    assert isinstance(found, Correction)
    assert found.digit == 7


def test_contradicting_a_certain_answer_is_suspect() -> None:
    assert correction().suspect
    assert not correction(digit=1).suspect
    assert not msgspec.structs.replace(correction(), certain=False).suspect


def test_limits_hold_and_existing_corrections_may_change(kept: Corrections) -> None:
    names = [kept.keep(correction(b"%d" % number)) for number in range(3)]
    before = files(kept)
    with pytest.raises(InsufficientStorage, match="DIGITS_CORRECTIONS_MAX"):
        kept.keep(correction(b"a fourth"))
    assert kept.keep(correction(b"0", digit=4)) == names[0]
    assert files(kept) == before
    assert kept.delete(names[0])
    assert not kept.delete(names[0])
    kept.keep(correction(b"a fourth"))


def test_nor_more_bytes(kept: Corrections) -> None:
    small = replace(kept, most_bytes=2_000)
    small.keep(correction(bytes(600)))
    with pytest.raises(InsufficientStorage):
        small.keep(correction(bytes(range(256)) * 4))
    assert len(files(small)) == 1


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_written(
    kept: Corrections, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.keep(correction(digit=1))
    before = {name: (kept.directory / name).read_bytes() for name in files(kept)}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if fails == "fsync" else (Path, "replace")), full)
        for told in (correction(digit=7), correction(b"another")):
            with pytest.raises(InsufficientStorage, match="No space left on device"):
                kept.keep(told)
    assert {name: (kept.directory / name).read_bytes() for name in files(kept)} == before
    kept.keep(correction(b"another"))


def test_leftovers_of_a_killed_process_are_ignored_and_overwritten(kept: Corrections) -> None:
    kept.keep(correction())
    (kept.directory / ".unfinished").write_bytes(b"{half")
    assert len(list(kept.listed())) == 1
    kept.keep(correction(b"another"))
    assert not (kept.directory / ".unfinished").exists()


def test_a_damaged_file_is_listed_with_the_reason(kept: Corrections) -> None:
    name = kept.keep(correction())
    (kept.directory / f"{name}.correction.json").write_bytes(b'{"digit": 12}')
    [(found, reason)] = kept.listed()
    assert found == name
    assert isinstance(reason, str)


@pytest.mark.parametrize("name", ["../../victim", "", ".", "a/b"])
def test_deleting_stays_in_the_directory(kept: Corrections, name: str) -> None:
    kept.keep(correction())
    (kept.directory.parent.parent / "victim.correction.json").touch()
    assert not kept.delete(name)


def test_many_processes_together_keep_the_limit(kept: Corrections) -> None:
    program = f"""
import sys
from pathlib import Path
from service.http.corrections import Corrections
from service.errors import InsufficientStorage
from tests.service.http.test_corrections_store import correction
kept, full = Corrections(Path({str(kept.directory)!r}), 25, 1 << 20), 0
for number in range(20):
    try:
        kept.keep(correction(b"%s %d" % (sys.argv[1].encode(), number)))
    except InsufficientStorage:
        full += 1
print(full)
"""
    command = [sys.executable, "-c", program]
    writers = [subprocess.Popen([*command, str(one)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for one in range(3)]
    refused = [int(writer.communicate(timeout=60)[0]) for writer in writers]
    assert sum(refused) == 60 - 25
    assert len(list(kept.listed())) == 25
    assert all(isinstance(found, Correction) for _, found in kept.listed())
