"""The form of a source of digits."""

from pathlib import Path

from training.data import idx
from training.data.own import arrays, corrections, folders, tables
from training.data.own.entries import Found
from training.errors import DatasetError

FORMS = (
    "a folder with a subfolder for each digit, or with labels.csv, IDX files or corrections in it, "
    "or a .csv, .npz or IDX file"
)


def entries(path: Path) -> Found:
    """Return the entries of a source in any of the forms.

    Raises:
        DatasetError: it is missing, or has none of the forms; also while it is read.
    """
    try:
        if path.is_dir():
            return _in_directory(path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): give --extra {FORMS}.") from error
    if path.suffix.lower() == ".npz":
        return arrays.npz_entries(path)
    if path.suffix.lower() == ".csv":
        return tables.entries(path)
    if idx.is_images(path):
        return arrays.idx_entries(path)
    raise DatasetError(f"{path} cannot be used with --extra: give {FORMS}.")


def _in_directory(directory: Path) -> Found:
    if (directory / tables.LABELS_FILE).is_file():
        return tables.entries(directory / tables.LABELS_FILE)
    if corrections.is_kept_in(directory):
        return corrections.entries(directory)
    if folders.has_digits(directory):
        return folders.entries(directory)
    images = [path for path in sorted(directory.iterdir()) if path.is_file() and idx.is_images(path)]
    if images:
        return (entry for path in images for entry in arrays.idx_entries(path))
    raise DatasetError(f"{directory} holds no digits: give --extra {FORMS}.")
