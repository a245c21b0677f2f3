"""`/v1/...`: the older protocol of KServe and TensorFlow Serving.

Source: kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from service.contract import IMAGE_SIDE, Manifest
from service.errors import MalformedRequest
from service.http import oip, tensors
from service.http.answering import Question, Request, Response, at_most, attempt, service, to_json
from service.http.predict import Options, decoded, picture_in, prediction
from service.inference.engine import Probabilities
from service.settings import Settings

blueprint = Blueprint("v1", __name__, url_prefix="/v1")
blueprint.add_url_rule("/models/<model:name>", view_func=oip.model_ready)

_TAKEN = f'send {{"instances": [...]}} of {IMAGE_SIDE} x {IMAGE_SIDE} grey levels, or of {{"b64": "<picture>"}}'
_Side = msgspec.Meta(min_length=IMAGE_SIDE, max_length=IMAGE_SIDE)


class Encoded(msgspec.Struct):
    b64: str


Levels = Annotated[list[Annotated[list[float], _Side]], _Side]


class Message(msgspec.Struct):
    instances: Annotated[list[Encoded | Levels], msgspec.Meta(min_length=1)]


@dataclass
class Instances(Question):
    list_name = "instances"

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        rows = [prediction(row, None, manifest, Options()) for row in probabilities]
        return Response(to_json({"predictions": rows}))


def read(request: Request, settings: Settings) -> Instances:
    """Parse a request, or raise MalformedRequest or TooLarge."""
    request.parameters()
    instances = decoded(request.body, Message, "a /v1 request", _TAKEN).instances
    at_most(len(instances), settings.max_batch)
    pictures = [attempt(picture_in, instance.b64) for instance in instances if isinstance(instance, Encoded)]
    if not pictures:
        return Instances([], images=tensors.levels(np.array(instances, np.float64)))
    if len(pictures) < len(instances):
        raise MalformedRequest(f"`instances` mixes two kinds: {_TAKEN}.")
    return Instances([*pictures])


@blueprint.get("/models")
def models() -> ResponseReturnValue:
    here = service()
    return jsonify({"models": [here.settings.model_name] if here.store.serving else []})
