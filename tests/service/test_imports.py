"""The service runs without training tools, and imports only what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# A finder that comes first hides what the serving image does not have.
IMPORT_ALL = """
import importlib, pkgutil, sys

FORBIDDEN = {"training", "tensorflow", "keras", "tf2onnx", "onnx", "scipy", "matplotlib"}

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} must not be imported here")

sys.meta_path.insert(0, Hide())
import service
names = [module.name for module in pkgutil.walk_packages(service.__path__, "service.")]
for name in names:
    importlib.import_module(name)
assert len(names) > 10, names
assert not FORBIDDEN & set(sys.modules)
"""

CONTRACT_ALONE = """
import sys
import service.contract, service.errors, service.settings
heavy = {"numpy", "PIL", "flask", "onnxruntime", "gunicorn"} & set(sys.modules)
assert not heavy, heavy
"""

SHARED_WITH_TRAINING = """
import sys
import service.contract, service.errors, service.inference.engine
import service.preprocessing.decode, service.preprocessing.mnist_format
heavy = {"flask", "gunicorn", "werkzeug"} & set(sys.modules)
assert not heavy, heavy
"""

# ONNX Runtime would send telemetry from a thread.
NO_TELEMETRY = """
import os, numpy
import service, training
before = os.listdir("/proc/self/task")
import onnxruntime
assert os.listdir("/proc/self/task") == before
"""


@pytest.mark.parametrize("program", [IMPORT_ALL, CONTRACT_ALONE, SHARED_WITH_TRAINING, NO_TELEMETRY])
def test_imports(program: str) -> None:
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
