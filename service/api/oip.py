"""`/v2/...`: the Open Inference Protocol, version 2, over REST, as clients of Triton, KServe and MLServer speak it.

A tensor `images` of UINT8 or FP32 is given to the model as it is: whoever sends one has brought the digit into MNIST's
form. BYTES are pictures in files, which are read and brought into that form as `/predict` does it.
"""

import numpy as np
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from service import __version__, answers
from service.api import Service, admitted, ready, service
from service.api.inference import JSON_LENGTH, flag, read_fields, read_inference, shown
from service.api.reading import read_digit, run
from service.api.tensors import Tensor, elements, pixels, write_output
from service.api.uploads import from_base64
from service.contract import IMAGE_SIDE, INPUT_NAME, LABELS, OUTPUT_NAME
from service.errors import RequestError, UnknownRoute
from service.inference.engine import Images
from service.inference.store import Serving
from service.preprocessing.illumination import Grey

blueprint = Blueprint("oip", __name__, url_prefix="/v2")

# Of the repository extension there is the index alone: nothing here loads or unloads a model at a client's word.
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository(index)")
PLATFORM = "onnxruntime_onnx"  # what Triton says of the same directory

_OF_MODEL = ("/models/<name>", "/models/<name>/versions/<version>")
INFER = _OF_MODEL[0] + "/infer"


@blueprint.get("")
def server_metadata() -> ResponseReturnValue:
    """Say what serves, and which extensions of the protocol it has."""
    return jsonify({"name": "digits", "version": __version__, "extensions": EXTENSIONS})


@blueprint.get("/health/live")
def server_live() -> ResponseReturnValue:
    """Answer as long as the process can."""
    return jsonify({"live": True})


@blueprint.get("/health/ready")
def server_ready() -> ResponseReturnValue:
    """Answer 200 where `/readyz` does."""
    ready()
    return jsonify({"ready": True})


@blueprint.get(_OF_MODEL[0])
@blueprint.get(_OF_MODEL[1])
def model_metadata(name: str, version: str | None = None) -> ResponseReturnValue:
    """Describe the model: its version that can be asked, its input and its output."""
    model = _model(service(), name, version)
    return jsonify(
        {
            "name": name,
            "versions": [model.manifest.version],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, IMAGE_SIDE, IMAGE_SIDE]}],
            "outputs": [{"name": OUTPUT_NAME, "datatype": "FP32", "shape": [-1, len(LABELS)]}],
        }
    )


@blueprint.get(_OF_MODEL[0] + "/ready")
@blueprint.get(_OF_MODEL[1] + "/ready")
def model_ready(name: str, version: str | None = None) -> ResponseReturnValue:
    """Answer 200 while this model, or this version of it, serves."""
    _model(service(), name, version)
    ready()
    return jsonify({"name": name, "ready": True})


@blueprint.get(_OF_MODEL[0] + "/config")
@blueprint.get(_OF_MODEL[1] + "/config")
def model_config(name: str, version: str | None = None) -> ResponseReturnValue:
    """Describe the model in the words of Triton's configuration, in which the batch stands apart from the shapes."""
    model = _model(service(), name, version)
    return jsonify(
        {
            "name": name,
            "platform": PLATFORM,
            "backend": "onnxruntime",
            "version_policy": {"specific": {"versions": [int(model.manifest.version)]}},
            "max_batch_size": service().settings.max_batch,
            "input": [{"name": INPUT_NAME, "data_type": "TYPE_UINT8", "dims": [IMAGE_SIDE, IMAGE_SIDE]}],
            "output": [{"name": OUTPUT_NAME, "data_type": "TYPE_FP32", "dims": [len(LABELS)]}],
        }
    )


@blueprint.post(INFER)
@blueprint.post(_OF_MODEL[1] + "/infer")
@admitted
def infer(name: str, version: str | None = None) -> ResponseReturnValue:
    """Answer for a batch of images. One that cannot be read refuses all."""
    here = service()
    model = _model(here, name, version)
    content, headers = inferred(here, model, request.get_data(cache=False), request.headers.get(JSON_LENGTH))
    return Response(content, headers=headers)


def inferred(here: Service, model: Serving, body: bytes, json_length: str | None) -> tuple[bytes, dict[str, str]]:
    """Return the answer to an inference with this body and this value of the header `JSON_LENGTH`, and its headers.

    Raises:
        RequestError: the body is no inference, or one of its images cannot be read.
    """
    inference = read_inference(body, json_length, most=here.settings.max_batch)
    probabilities = run(here, model, _images(here, inference.images))
    output, content = write_output(probabilities, binary=inference.binary, classes=inference.classes)
    answer: dict[str, object] = {"model_name": here.settings.model_name, "model_version": model.manifest.version}
    if inference.id is not None:
        answer["id"] = inference.id
    text = answers.text({**answer, "outputs": [output]})
    if not inference.binary:
        return text, {"Content-Type": "application/json"}
    return text + content, {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(text))}


@blueprint.post("/repository/index")
def repository_index() -> ResponseReturnValue:
    """List the versions of the model and why those that do not serve do not. `{"ready": true}` lists what serves."""
    body = request.get_data(cache=False)
    ready_only = flag(read_fields(body), "ready") if body else False
    here = service()
    return jsonify(
        [
            {
                "name": here.settings.model_name,
                "version": str(version.number),
                "state": "READY" if version.serves else "UNAVAILABLE",
                "reason": version.reason,
            }
            for version in here.store.versions()
            if version.serves or not ready_only
        ]
    )


def _model(here: Service, name: str, version: str | None) -> Serving:
    """Return the model of that name, which serves, in the version that is asked for.

    Raises:
        NotReady: no version of it serves.
        UnknownRoute: another model is asked for, or another version.
    """
    if name != here.settings.model_name:
        raise UnknownRoute(f"No model {shown(name)} is served: ask for {here.settings.model_name!r}.")
    model = here.serving()
    if version in (None, model.manifest.version):
        return model
    reasons = {str(known.number): known.reason for known in here.store.versions()}
    if version in reasons:
        raise UnknownRoute(f"Version {version} does not serve: ask for {model.manifest.version}. {reasons[version]}")
    raise UnknownRoute(f"There is no version {shown(version)}: ask for {model.manifest.version}.")


def _images(here: Service, tensor: Tensor) -> Images:
    if tensor.datatype == "BYTES":
        return np.stack([_digit(here, index, element) for index, element in enumerate(elements(tensor))])
    return pixels(tensor)


def _digit(here: Service, index: int, element: object) -> Grey:
    """Return the digit in an encoded picture, bytes or their base64, or name the picture in the refusal."""
    try:
        return read_digit(here, element if isinstance(element, bytes) else from_base64(element))
    except RequestError as error:
        raise type(error)(f"{INPUT_NAME}[{index}]: {error}") from error
