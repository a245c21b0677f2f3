"""What the service says: a prediction, the model that made it, an error."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from service.contract import LABELS, Manifest
from service.errors import DigitsError, MalformedRequest
from service.inference.engine import Probabilities
from service.preprocessing.illumination import Grey

if TYPE_CHECKING:
    from flask import Request

_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_TOP_K = {str(k): k for k in range(1, len(LABELS) + 1)}
FLAGS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


@dataclass(frozen=True)
class Options:
    """What the query asks for beside the answer: the `top_k` likeliest digits; the image that the model has `seen`."""

    top_k: int = 0
    seen: bool = False

    @classmethod
    def of(cls, request: "Request") -> "Options":
        """Read the query of a request.

        Raises:
            MalformedRequest: a parameter has a value that is not allowed.
        """
        top_k, seen = request.args.get("top_k"), request.args.get("seen")
        if top_k is not None and top_k not in _TOP_K:
            raise MalformedRequest(f"top_k={top_k!r} is not allowed: use a whole number from 1 to {len(LABELS)}.")
        if seen is not None and seen not in FLAGS:
            raise MalformedRequest(f"seen={seen!r} is not allowed: use true or false.")
        return cls(_TOP_K.get(top_k or "", 0), FLAGS.get(seen or "", False))


def prediction(probabilities: Probabilities, digit: Grey, manifest: Manifest, options: Options) -> dict[str, Any]:
    """Return the answer for one picture.

    `probabilities` is float32 [10], `digit` the image that they are for, uint8 [28, 28].
    """
    numbers = decimals(probabilities)
    ranking = sorted(range(len(numbers)), key=lambda label: -numbers[label])
    confidence = numbers[ranking[0]]
    answer: dict[str, Any] = {
        "digit": ranking[0],
        "confidence": confidence,
        "certain": confidence >= manifest.certain_from,
        "probabilities": numbers,
    }
    if options.top_k:
        answer["top_k"] = [{"digit": label, "probability": numbers[label]} for label in ranking[: options.top_k]]
    if options.seen:
        answer["seen"] = png_base64(digit)
    return answer


def single(probabilities: Probabilities, digit: Grey, manifest: Manifest, options: Options) -> dict[str, Any]:
    """Return the answer to a request with one picture, which names the model too; the arguments are `prediction`'s."""
    return {**prediction(probabilities, digit, manifest, options), "model": model(manifest)}


def text(answer: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON, as Flask's `jsonify` writes it, in a quarter of its time."""
    return _to_json(answer).encode("ascii") + b"\n"


def decimals(probabilities: Probabilities) -> list[float]:
    """Return float32 [N] as the shortest decimals that stand for the same numbers.

    A float64 would show nine more digits, which mean nothing.
    """
    return [float(str(probability)) for probability in probabilities]


def model(manifest: Manifest) -> dict[str, str]:
    """Return which model answers."""
    return {"name": manifest.name, "version": manifest.version}


def error(error: DigitsError) -> dict[str, str]:
    """Return the one shape that errors have, on every route."""
    return {"error": str(error), "code": error.code}


def png_base64(grey: Grey) -> str:
    """Return a greyscale image, uint8 [height, width], as a PNG in base64."""
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
