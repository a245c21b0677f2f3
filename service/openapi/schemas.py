"""The JSON that goes in and out, as JSON Schema 2020-12: what the document calls its components."""

from service.api.tensors import DATATYPES
from service.contract import IMAGE_SIDE, INPUT_NAME, LABELS, MODEL_NAME, OUTPUT_NAME
from service.openapi.parts import Json, error_schema, every_problem, record, reference
from service.settings import Settings

_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_WHOLE: Json = {"type": "integer", "minimum": 0}
_DIGIT: Json = {"type": "integer", "minimum": 0, "maximum": len(LABELS) - 1}
_PROBABILITY: Json = {"type": "number", "minimum": 0, "maximum": 1}
_VERSION: Json = {"type": "string", "pattern": "^[1-9][0-9]*$", "examples": ["1"]}

PICTURE: Json = {
    "type": "string",
    "format": "byte",
    "contentEncoding": "base64",
    "minLength": 4,
    "description": "The bytes of a picture in base64; line breaks and the head of a data URL may stand in it.",
}


def of_predictions() -> Json:
    """Return the schemas of `/predict` and `/predict/batch`."""
    required: Json = {
        "digit": {**_DIGIT, "description": "The likeliest."},
        "confidence": {**_PROBABILITY, "description": "Its probability."},
        "certain": {"type": "boolean", "description": "False where a person should look."},
        "probabilities": {
            "type": "array",
            "description": "Of each digit from 0 to 9, calibrated.",
            "items": _PROBABILITY,
            "minItems": len(LABELS),
            "maxItems": len(LABELS),
        },
    }
    optional: Json = {
        "top_k": {
            "type": "array",
            "description": "With `top_k`: so many digits, the likeliest first.",
            "items": record("A digit", {"digit": _DIGIT, "probability": _PROBABILITY}),
            "minItems": 1,
            "maxItems": len(LABELS),
        },
        "seen": {
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": "image/png",
            "description": f"With `seen`: the {IMAGE_SIDE}x{IMAGE_SIDE} picture that the model was given.",
        },
    }
    model: Json = {"model": reference("Model")}
    either: Json = {"type": "array", "items": {"anyOf": [reference("Digit"), reference("Error")]}}
    return {
        "Prediction": record("The answer for one picture", {**required, "model": reference("Model")}, optional),
        "Predictions": record("An answer for each picture, in their order", {"predictions": either, **model}),
        "Digit": record("The answer for one of many pictures", required, optional),
    }


def of_operations() -> Json:
    """Return the schemas of what every route may answer, and of the routes for those who run the service."""
    ready = {"status": {"const": "ready"}, "model": reference("Model"), "provider": _TEXT, "file": _TEXT}
    model = {"anyOf": [reference("Model"), {"type": "null"}]}
    return {
        "Error": error_schema([problem.code for problem in every_problem()]),
        "Model": record("Which model answered", {"name": {**_TEXT, "examples": [MODEL_NAME]}, "version": _VERSION}),
        "Alive": record("The process lives", {"status": {"const": "alive"}}),
        "Ready": record("A model serves", ready),
        "Index": record(
            "What is here", {"service": _TEXT, "model": model, "routes": {"type": "array", "items": _TEXT}}
        ),
    }


def of_protocol(settings: Settings) -> Json:
    """Return the schemas of `/v2`."""
    texts: Json = {"type": "array", "items": _TEXT}
    return {
        "ServerMetadata": record("The server", {"name": _TEXT, "version": _TEXT, "extensions": texts}),
        "Live": record("The process lives", {"live": {"const": True}}),
        "ServerReady": record("A model serves", {"ready": {"const": True}}),
        "ModelReady": record("This model serves", {"name": _TEXT, "ready": {"const": True}}),
        "ModelMetadata": _model_metadata(),
        "ModelConfiguration": _model_configuration(),
        "RepositoryIndex": _repository_index(),
        "IndexRequest": record("Which versions to list", {}, {"ready": _or_null(_FLAG)}),
        "InferenceRequest": _inference_request(settings.max_batch),
        "InferenceResponse": _inference_response(),
    }


def _model_metadata() -> Json:
    shape: Json = {"type": "array", "items": {"type": "integer"}}
    tensor = record("A tensor; -1 stands for the batch", {"name": _TEXT, "datatype": _TEXT, "shape": shape})
    tensors: Json = {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}
    versions: Json = {"type": "array", "items": _VERSION}
    return record(
        "The model", {"name": _TEXT, "versions": versions, "platform": _TEXT, "inputs": tensors, "outputs": tensors}
    )


def _model_configuration() -> Json:
    tensor = record("A tensor", {"name": _TEXT, "data_type": _TEXT, "dims": {"type": "array", "items": _WHOLE}})
    tensors: Json = {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}
    fields: Json = {"name": _TEXT, "platform": _TEXT, "backend": _TEXT, "version_policy": {"type": "object"}}
    return record(
        "The model in Triton's words", {**fields, "max_batch_size": _WHOLE, "input": tensors, "output": tensors}
    )


def _repository_index() -> Json:
    state: Json = {"enum": ["READY", "UNAVAILABLE"]}
    reason = {**_TEXT, "description": "Why it does not serve, or why its changed files do not."}
    version = record("A version", {"name": _TEXT, "version": _VERSION, "state": state, "reason": reason})
    return {"type": "array", "items": version}


def _inference_request(most: int) -> Json:
    tensors = [_input(datatype, most) for datatype in DATATYPES]
    wanted: Json = {"binary_data": _or_null(_FLAG), "classification": _or_null(_WHOLE)}
    output = record(
        "The probabilities, or the likeliest classes",
        {"name": {"const": OUTPUT_NAME}},
        {"parameters": _or_null(record("Extensions of the protocol", {}, wanted))},
    )
    binary = record("Extensions of the protocol", {}, {"binary_data_output": _or_null(_FLAG)})
    return record(
        "A batch of images",
        {"inputs": {"type": "array", "items": {"oneOf": tensors}, "minItems": 1, "maxItems": 1}},
        {
            "id": _or_null({**_TEXT, "description": "Given back."}),
            "parameters": _or_null(binary),
            "outputs": _or_null({"type": "array", "items": output, "maxItems": 1}),
        },
    )


def _input(datatype: str, most: int) -> Json:
    """Return the schema of an input whose data stands in the JSON."""
    element = {"UINT8": {**_WHOLE, "maximum": 255}, "FP32": _PROBABILITY, "BYTES": PICTURE}[datatype]
    sides = DATATYPES[datatype]
    shape: Json = {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 1, "maximum": most}, *({"const": side} for side in sides)],
        "minItems": 1 + len(sides),
        "maxItems": 1 + len(sides),
        "examples": [[1, *sides]],
    }
    return record(
        f"Images as {datatype}",
        {
            "name": {"const": INPUT_NAME},
            "datatype": {"const": datatype},
            "shape": shape,
            "data": {
                "type": "array",
                "description": "Flat, in row-major order, or nested as the shape says.",
                "items": {"anyOf": [element, {"type": "array"}]} if sides else element,
                "minItems": 1,
            },
        },
        {"parameters": _or_null(record("None of them is used", {}, {"binary_data_size": {"type": "null"}}))},
    )


def _inference_response() -> Json:
    size = record("With binary data", {"binary_data_size": _WHOLE})
    label: Json = {"type": "string", "pattern": "^[0-9.]+:[0-9]:[0-9]$", "examples": ["0.999834:7:7"]}
    rows: Json = {"type": "array", "items": _WHOLE, "minItems": 2, "maxItems": 2}
    outputs = [
        record(
            f"Output as {datatype}",
            {"name": {"const": OUTPUT_NAME}, "datatype": {"const": datatype}, "shape": rows},
            {"data": {"type": "array", "items": element}, "parameters": size},
        )
        for datatype, element in (("FP32", _PROBABILITY), ("BYTES", label))
    ]
    return record(
        "The output for each image",
        {
            "model_name": _TEXT,
            "model_version": _VERSION,
            "outputs": {"type": "array", "items": {"oneOf": outputs}, "minItems": 1, "maxItems": 1},
        },
        {"id": _TEXT},
    )


def _or_null(schema: Json) -> Json:
    """Return the schema that lets null stand for absence; clients that write every field send it."""
    return {**schema, "type": [schema["type"], "null"]}
