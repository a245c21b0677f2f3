from pathlib import Path

import pytest

from training.files import replace_file


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
