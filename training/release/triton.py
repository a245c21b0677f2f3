"""Writes what Triton needs to serve the models directory: `config.pbtxt` and the labels.

Both stand beside the versions and hold for each of them, because they follow from the contract alone. Triton's
schema of the file is `ModelConfig` in triton-inference-server/common, protobuf/model_config.proto.
"""

import os
from functools import partial
from pathlib import Path

from service.contract import FLOAT32_FILE, IMAGE_SIDE, INPUT_NAME, LABELS, LABELS_FILE, OUTPUT_NAME
from training.files import replace_file

CONFIG_FILE = "config.pbtxt"
MAX_BATCH = 256

# float32: every version has it, and it runs on a GPU too. The warm-up runs before the model counts as ready.
_CONFIG = """\
# Written when the model was published. Change it as you like: a file that is here already is left alone.
name: "{name}"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
default_model_filename: "{file}"
version_policy {{ latest {{ num_versions: 1 }} }}
max_batch_size: {batch}
input {{ name: "{input}" data_type: TYPE_UINT8 dims: [ {side}, {side} ] }}
output {{ name: "{output}" data_type: TYPE_FP32 dims: [ {classes} ] label_filename: "{labels}" }}
# Requests that gathered while the model ran are run together; none waits for others to come.
dynamic_batching {{ max_queue_delay_microseconds: 0 }}
model_warmup {{
  name: "blank"
  batch_size: 1
  inputs {{ key: "{input}" value {{ data_type: TYPE_UINT8 dims: [ {side}, {side} ] zero_data: true }} }}
}}
"""


def config(name: str) -> str:
    """Return the `config.pbtxt` of model `name`."""
    return _CONFIG.format(
        name=name,
        file=FLOAT32_FILE,
        batch=MAX_BATCH,
        input=INPUT_NAME,
        output=OUTPUT_NAME,
        side=IMAGE_SIDE,
        classes=len(LABELS),
        labels=LABELS_FILE,
    )


def labels() -> str:
    """Return the labels file, one label a line, for Triton's classification extension."""
    return "".join(f"{label}\n" for label in LABELS)


def write(directory: Path, name: str) -> None:
    """Write both files into `directory`, MODELS/NAME, if missing; each atomically.

    Raises:
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in ((LABELS_FILE, labels()), (CONFIG_FILE, config(name))):
        if not os.path.lexists(directory / file):
            replace_file(directory / file, partial(_write, text), maker=f"{os.getpid()}-")


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="ascii")
    path.chmod(0o644)  # regardless of the umask: Triton runs as another user
