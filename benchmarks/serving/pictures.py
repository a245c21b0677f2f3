"""The pictures sent: a digit in MNIST's format, a photograph of 12 megapixels, a batch of tensors."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.serving.load import Request
from benchmarks.serving.work import BATCH
from service.contract import LABELS, MODEL_NAME, OUTPUT_NAME
from tests import drawing
from tests.server import multipart
from tests.tensors import binary, digits

DIGIT = 2
RIGHT = f'"digit": ?{DIGIT},'
_BOUNDARY = "------------------------a56c2f7a41d4ac2a"  # as long as that of curl
_PHOTOGRAPH = 4000, 3000
_GRAIN, _QUALITY = 7.6, 94  # of the photograph, which make it 4.5 MB


def requests(directory: Path) -> dict[str, Request]:
    """Write all request bodies into `directory`, and return the requests by name."""
    small = drawing.encode(Image.fromarray(digits(DIGIT)[0]))
    large = photograph()
    wanted = [{"name": OUTPUT_NAME, "parameters": {"binary_data": True}}]
    many = np.repeat(digits(DIGIT), BATCH, axis=0)
    tensors, header = binary(many.tobytes(), list(many.shape), outputs=wanted)
    body, form = multipart([("image", small)], boundary=_BOUNDARY)
    bodies = {"picture": small, "multipart": body, "large": large, "batch": tensors}
    paths = {name: directory / name for name in bodies}
    for name, body in bodies.items():
        paths[name].write_bytes(body)
    return {
        "multipart": Request("/predict", paths["multipart"], RIGHT, form),
        "raw": Request("/predict", paths["picture"], RIGHT, {"Content-Type": "image/png"}),
        "large": Request("/predict", paths["large"], RIGHT, {"Content-Type": "image/jpeg"}),
        "batch": Request(
            f"/v2/models/{MODEL_NAME}/infer",
            paths["batch"],
            f"{BATCH}, ?{len(LABELS)}",
            {"Content-Type": "application/octet-stream", **header},
        ),
    }


def photograph() -> bytes:
    """Return the digit on grainy paper, 12 megapixels, as a JPEG of 4.5 MB."""
    width, height = _PHOTOGRAPH
    grey = np.asarray(drawing.digit(DIGIT, side=height, size=height / 2, ink=60, paper=200))
    grey = np.pad(grey, ((0, 0), ((width - height) // 2,) * 2), mode="edge")
    grain = cv2.randn(np.zeros((height, width, 3), np.int16), (0, 0, 0), (_GRAIN,) * 3)
    pixels = np.clip(grey[:, :, np.newaxis] + grain, 0, 255).astype(np.uint8)
    return drawing.encode(Image.fromarray(pixels), "JPEG", quality=_QUALITY)
