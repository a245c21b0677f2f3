from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from PIL import Image

from training.release import report


def history(**figures: float) -> list[dict[str, Any]]:
    first = {"loss": 1.0, "val_loss": 0.5, "accuracy": 0.8, "val_accuracy": 0.9} | figures
    return [first | {"epoch": 1}, first | {"epoch": 2}]


def test_curves_are_a_picture(tmp_path: Path) -> None:
    report.write_curves(tmp_path, history())
    with Image.open(tmp_path / report.CURVES_FILE) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (900, 350))


def test_an_error_of_zero_is_accepted(tmp_path: Path) -> None:
    report.write_curves(tmp_path, history(val_accuracy=1.0))
    assert (tmp_path / report.CURVES_FILE).stat().st_size > 0


@pytest.mark.tensorflow
def test_tools_are_those_that_computed() -> None:
    assert report.tools()["onnxruntime"] == onnxruntime.__version__
    assert {"python", "tensorflow", "keras", "tf2onnx", "onnx", "numpy"} < set(report.tools())


def test_machine_description_names_the_processors() -> None:
    count, kind = report.machine().split(" x ", 1)
    assert int(count) >= 1
    assert kind
