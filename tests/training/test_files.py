import errno
import zipfile
from pathlib import Path

import numpy as np
import pytest

from training.errors import RunError
from training.files import locked, read_npz, replace_file


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def write(beside: Path) -> None:
        beside.write_text("after")
        assert path.read_text() == "before"

    replace_file(path, write)
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
        replace_file(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_numpys_full_disk_is_one(tmp_path: Path) -> None:
    def fail(_beside: Path) -> None:
        raise OSError("3920 requested and 0 written")  # as of `ndarray.tofile`: without a number

    with pytest.raises(OSError, match="3920 requested") as caught:
        replace_file(tmp_path / "file", fail)
    assert caught.value.errno == errno.ENOSPC


def test_a_directory_is_for_one_training(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match="Another training is using"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=r"cannot be written .* give another --run-dir"), locked(place):
            pass


def damaged(path: Path, how: str) -> None:
    arrays = {"x": np.arange(1_000) % 7, "y": np.zeros(3)}
    np.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    if how == "an array":
        with path.open("wb") as file:
            np.save(file, arrays["x"])
    elif how == "bytes":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x", "seven")
    elif how == "missing":
        path.unlink()
    else:
        at = {"compression": 8, "encryption": 6, "data": 60}[how]
        content[at] ^= 0x0F if how == "compression" else 0x01
        central = content.index(b"PK\x01\x02")
        content[central + at + 2] ^= (0x0F if how == "compression" else 0x01) * (how != "data")
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["an array", "bytes", "missing", "compression", "encryption", "data"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, how: str) -> None:
    damaged(tmp_path / "file.npz", how)
    with pytest.raises(ValueError, match=r"^.+$"):
        read_npz(tmp_path / "file.npz")


def test_arrays_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "file.npz", x=[1, 2], y=3)
    found = read_npz(tmp_path / "file.npz")
    assert {name: array.tolist() for name, array in found.items()} == {"x": [1, 2], "y": 3}
