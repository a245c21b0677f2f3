"""Own digits: every source is read, errors are reported, duplicates count once, some digits are held out."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.preprocessing.mnist_format import canonical_digit
from tests import drawing
from tests.training import drawn
from tests.training.data.own.forms import FORMS, as_idx, as_kaggle_has_it, as_npz, in_folders, png, with_labels
from training.data import idx
from training.data.own import collect as collecting
from training.data.own.collect import collect
from training.data.own.digits import Own
from training.errors import DatasetError

COUNT = 30

Digits = tuple[np.ndarray, np.ndarray]  # images and labels


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Printed digits in canonical form, which every source returns unchanged, and their labels."""
    images, labels = drawn.digits(COUNT, seed=5)
    return np.stack([canonical_digit(image) for image in images]), labels


def whole(own: Own) -> dict[bytes, int]:
    """Return the label of each image, learnt or held out."""
    pairs = [pair for share in (own.learnt, own.held_out) for pair in zip(share.images, share.labels, strict=True)]
    return {image.tobytes(): int(label) for image, label in pairs}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_digits(tmp_path: Path, digits: Digits, form: str) -> None:
    own = collect([FORMS[form](tmp_path / "source", *digits)], [], None)
    expected = {image.tobytes(): int(label) for image, label in zip(*digits, strict=True)}
    found = whole(own)
    assert len(own.learnt.labels) + len(own.held_out.labels) == len(expected)
    if form == "folders":  # a dark digit on white is cropped again
        assert sorted(found.values()) == sorted(expected.values())
    else:
        assert found == expected
    assert own.rejected == []
    assert 0 < len(own.held_out.labels) < len(own.learnt.labels)
    assert len(own.suspect) == (form == "corrections")


def test_levels_of_0_and_1_are_black_and_white(tmp_path: Path, digits: Digits) -> None:
    ink = digits[0] > 127
    ways = {"levels": ink * np.uint8(255), "bool": ink, "int": ink.astype(int), "float": ink.astype(float)}
    found = [whole(collect([as_npz(tmp_path / f"{way}.npz", ways[way], digits[1])], [], None)) for way in ways]
    assert found == [found[0]] * len(ways)
    assert len(found[0]) > COUNT / 2


def test_transposed_data_sets_are_corrected(tmp_path: Path, digits: Digits) -> None:
    images, labels = digits
    known = {image.tobytes(): label for image, label in zip(*digits, strict=True)}

    def answers(asked: np.ndarray) -> np.ndarray:
        return np.eye(10)[[known.get(image.tobytes(), 0) for image in asked]]

    upright = collect([as_idx(tmp_path / "a", images, labels)], [], answers)
    turned = collect([as_idx(tmp_path / "b", images.transpose(0, 2, 1), labels)], [], answers)
    assert whole(upright) == whole(turned)
    assert (len(upright.notes), len(turned.notes)) == (0, 1)
    assert "stored transposed" in turned.notes[0]


def test_duplicates_count_once_and_conflicting_labels_are_left_out(tmp_path: Path, digits: Digits) -> None:
    images, labels = digits
    first = as_npz(tmp_path / "a.npz", images, labels)
    other = labels.copy()
    other[0] = (labels[0] + 1) % 10
    own = collect([first, as_kaggle_has_it(tmp_path / "b.csv", images, other)], [], None)
    assert len(whole(own)) == len({image.tobytes() for image in images}) - 1
    assert images[0].tobytes() not in whole(own)
    assert own.left_out["told as two digits"] == 2
    assert own.left_out["duplicates"] == COUNT - 1


def test_mnists_own_digits_are_left_out(tmp_path: Path, digits: Digits) -> None:
    images, labels = digits
    own = collect([as_kaggle_has_it(tmp_path / "train.csv", images, labels)], [images[:10], images[10:12]], None)
    assert own.left_out["MNIST's own"] == 12
    assert not whole(own).keys() & {image.tobytes() for image in images[:12]}
    with pytest.raises(DatasetError, match="30 are MNIST's own"):
        collect([tmp_path / "train.csv"], [images], None)


def test_held_out_digits_stay_held_out(tmp_path: Path, digits: Digits) -> None:
    images, labels = digits
    few = collect([as_npz(tmp_path / "few.npz", images[:15], labels[:15])], [], None)
    all_ = collect([as_npz(tmp_path / "all.npz", images, labels)], [], None)
    held = [{image.tobytes() for image in own.held_out.images} for own in (few, all_)]
    assert held[0] == held[1] & {image.tobytes() for image in images[:15]}
    assert few.sha256 != all_.sha256


@pytest.mark.parametrize("around", [True, False])
def test_a_writer_is_held_out_whole(tmp_path: Path, digits: Digits, around: bool) -> None:
    writers = [f"writer-{number}" for number in range(10)]
    for number, (image, label) in enumerate(zip(*digits, strict=True)):
        writer = writers[number % 10]
        place = tmp_path / (f"{writer}/{label}" if around else f"{label}/{writer}") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(image))
    own = collect([tmp_path], [], None)

    def of(sources: Any) -> set[str]:
        return {next(part for part in Path(source).parts if part.startswith("writer-")) for source in sources}

    held, learnt = of(own.held_out.sources), of(own.learnt.sources)
    assert held
    assert learnt
    assert not held & learnt


def test_a_single_writers_digits_are_split(tmp_path: Path, digits: Digits) -> None:
    own = collect([in_folders(tmp_path / "anna", *digits).parent], [], None)
    assert len(own.held_out.labels) > 0
    assert len(own.learnt.labels) > 0


def test_rejected_entries_have_a_reason(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = in_folders(tmp_path / "digits", *digits)
    bomb = png(np.zeros((6_000, 6_000), np.uint8))
    monkeypatch.setattr(collecting, "MAX_PICTURE_PIXELS", 1_000_000)
    bad = {
        "3/bomb.png": (bomb, "pixels"),
        "3/blank.png": (drawing.encode(Image.new("L", (60, 60), 255)), "strokes of a digit"),
        "4/notes.txt": (b"not a picture", "in a supported format"),
        "5/empty.png": (b"", ""),
        "stray.png": (png(digits[0][0]), "no folder that is named by a digit"),
        "5/\udcff.png": (b"not a picture", "in a supported format"),  # a name that is not UTF-8
    }
    for name, (content, _) in bad.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "5" / "gone.png").symlink_to(directory / "nowhere.png")
    (directory / "5" / "folder.png").mkdir()
    (directory / ".hidden").write_bytes(b"passed over")
    own = collect([directory], [], None)
    reasons = {str(Path(each.source).relative_to(directory)): each.reason for each in own.rejected}
    reasons["5/\udcff.png"] = reasons.pop("5/\ufffd.png")
    assert reasons.keys() == {*bad, "5/gone.png"}
    assert "No such file" in reasons["5/gone.png"]
    for name, (_, words) in bad.items():
        assert words.lower() in reasons[name].lower()
    assert len(whole(own)) == COUNT


def test_a_directory_that_changes_while_it_is_read(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = in_folders(tmp_path / "digits", *digits)
    monkeypatch.setattr(collecting, "_TOGETHER", 5)
    seen = 0
    canonical = collecting._canonical

    def and_delete(found: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 5:
            for label in ("8", "9"):
                shutil.rmtree(directory / label, ignore_errors=True)
        return canonical(found)

    monkeypatch.setattr(collecting, "_canonical", and_delete)
    own = collect([directory], [], None)
    lost = sum(int(np.sum(digits[1] == label)) for label in (8, 9))
    assert len(whole(own)) + lost >= COUNT > len(whole(own)) > 0


ROW = ["7", *["0"] * 784]
NONE = {
    "an empty folder": lambda path: path.mkdir(),
    "a folder of folders": lambda path: (path / "seven").mkdir(parents=True),
    "nothing": lambda _path: None,
    "a text": lambda path: path.write_text("seven"),
    "bytes": lambda path: path.with_suffix(".csv").write_bytes(b"\xff\xfe\x00"),
    "783 pixels": lambda path: path.with_suffix(".csv").write_text(",".join(ROW[:-1])),
    "no labels": lambda path: path.with_suffix(".csv").write_text("file,label\na.png,seven\n"),
    "no x": lambda path: np.savez(path.with_suffix(".npz"), y=np.zeros(3)),
    "no arrays": lambda path: (
        shutil.make_archive(str(path), "zip", Path(__file__).parent)
        and path.with_suffix(".zip").rename(path.with_suffix(".npz"))
    ),
    "one array": lambda path: np.save(path, np.zeros((2, 28, 28))) or path.with_suffix(".npy").rename(f"{path}.npz"),
    "fractions of pixels": lambda path: path.with_suffix(".csv").write_text(",".join(["7", *["0.5"] * 784])),
    "no zip": lambda path: path.with_suffix(".npz").write_bytes(b"PK"),
    "a pickle": lambda path: np.savez(path.with_suffix(".npz"), x=np.array([{}]), y=np.array([1])),
    "colours": lambda path: np.savez(path.with_suffix(".npz"), x=np.zeros((2, 28, 28, 3)), y=np.zeros(2)),
    "levels of 300": lambda path: np.savez(path.with_suffix(".npz"), x=np.full((2, 28, 28), 300), y=np.zeros(2)),
    "NaN": lambda path: np.savez(path.with_suffix(".npz"), x=np.full((2, 28, 28), np.nan), y=np.zeros(2)),
    "too few labels": lambda path: np.savez(path.with_suffix(".npz"), x=np.zeros((2, 28, 28)), y=np.zeros(3)),
    "IDX alone": lambda path: path.write_bytes(idx.write(np.zeros((2, 28, 28), np.uint8))),
    "IDX cut off": lambda path: path.write_bytes(idx.write(np.zeros((2, 28, 28), np.uint8))[:-1]),
}


@pytest.mark.parametrize("case", NONE)
def test_a_source_without_a_digit_is_one_line(tmp_path: Path, case: str) -> None:
    NONE[case](tmp_path / "images")
    path = next(tmp_path.iterdir(), tmp_path / "images")
    with pytest.raises(DatasetError) as raised:
        collect([path], [], None)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_wrong_rows_are_reported_by_line(tmp_path: Path, digits: Digits) -> None:
    path = as_kaggle_has_it(tmp_path / "train.csv", *digits)
    wrong = {"256": [*ROW[:-1], "256"], "-1": [*ROW[:-1], "-1"], "x": [*ROW[:-1], "x"], "783": ROW[:-1]}
    wrong |= {"label": ["11", *ROW[1:]], "blank": ROW}
    with path.open("a", newline="") as file:
        csv.writer(file).writerows(wrong.values())
    own = collect([path], [], None)
    assert [each.source for each in own.rejected if "blank" not in each.reason][:5] == [
        f"{path}:{line}" for line in range(COUNT + 2, COUNT + 7)
    ]
    assert len(own.rejected) == len(wrong)
    assert len(whole(own)) == COUNT


def test_csv_paths_cannot_leave_the_folder(tmp_path: Path, digits: Digits) -> None:
    directory = with_labels(tmp_path / "inside", *digits)
    (tmp_path / "outside.png").write_bytes(png(digits[0][0]))
    with (directory / "labels.csv").open("a") as file:
        file.write("\n../outside.png,3\n/etc/passwd,4\n\0.png,4\nmissing.png,5\npictures/0.png\npictures/1.png,ten\n")
    own = collect([directory], [], None)
    assert [each.reason[:20] for each in own.rejected] == [
        *["its file is outside "] * 3,
        "it cannot be read (N",
        "it has 1 columns, th",
        "'ten' is no digit",
    ]


def test_csv_paths_may_be_absolute(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = with_labels(tmp_path / "inside", *digits)
    (tmp_path / "link").symlink_to(directory)
    table = (directory / "labels.csv").read_text().replace("pictures/", f"{directory}/pictures/")
    (directory / "labels.csv").write_text(table)
    monkeypatch.chdir(tmp_path)
    for given in ("inside", "link", tmp_path / "link"):
        assert len(whole(collect([Path(given)], [], None))) == COUNT
