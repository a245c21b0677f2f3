"""Ctrl-C in each stage of training: one line at once, exit within two seconds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import ROOT, until

LINE = "training: interrupted; --resume continues from the last complete epoch.\n"
MOST_SECONDS = 2.0

# One call into C, like an epoch, a quantisation or a prediction: Python handles no signal until it returns.
BUSY = """hashlib.pbkdf2_hmac("sha256", b"a password", b"salt", 10**9)"""
PATIENT = "time.sleep(60)"
PROGRAM = """
import hashlib, sys, time
from training import interrupt
try:
    with interrupt.prompt("training: interrupted; --resume continues from the last complete epoch."):
        print("at work", flush=True)
        {work}
except KeyboardInterrupt:
    sys.exit(interrupt.EXIT_CODE)
"""


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def check_ends(process: "subprocess.Popen[str]") -> None:
    """Press Ctrl-C and check that the line is printed and the process ends."""
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < MOST_SECONDS
    assert process.returncode == 130
    assert errors.endswith(LINE)
    assert errors.count("interrupted") == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize("work", [BUSY, PATIENT])
def test_ctrl_c_ends_training_even_inside_c_code(work: str) -> None:
    with running("-c", PROGRAM.format(work=work)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        check_ends(process)


@pytest.mark.tensorflow
@pytest.mark.timed
@pytest.mark.parametrize("stage", ["pictures", "training"])
def test_interrupted_stages_keep_their_results(tmp_path: Path, mnist_dir: Path, stage: str) -> None:
    recipe = {"pictures": "dmlp-relu-glorot", "training": "dmlp-augmented"}[stage]
    arguments = ["--recipe", recipe, "--data", str(mnist_dir), "--device", "cpu"]
    arguments += ["--models", str(tmp_path / "models"), "--run-dir", str(tmp_path / "run")]
    with running("-m", "training", *arguments) as process:
        if stage == "pictures":
            until(lambda: list((tmp_path / "pools").glob("*/renderings-*.npz")), 120, "the first pictures")
        else:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("[fit"):
                pass
            time.sleep(3)  # into the first epoch, which is one call into TensorFlow
        check_ends(process)
    assert (tmp_path / "run" / "run.json").exists()
    if stage == "pictures":
        assert not [path for path in (tmp_path / "pools").glob("*/renderings-*") if path.suffix != ".npz"]
