"""`/v2`: the Open Inference Protocol."""

from service.api.inference import JSON_LENGTH
from service.contract import INPUT_NAME
from service.errors import NotReady, UnknownRoute
from service.openapi.parts import BINARY, BYTES, JSON, Json, Operation, answer, parameter, reference
from service.openapi.predict import ERRORS, OF_A_BODY
from service.settings import Settings

_LENGTH: Json = {"type": "integer", "minimum": 0}
_OF_A_MODEL = (UnknownRoute, NotReady)


def operations(settings: Settings) -> dict[str, Operation]:
    """Return the operations by the endpoint of their route."""
    return {
        "oip.server_metadata": _asks("The server", "ServerMetadata"),
        "oip.server_live": _asks("It lives", "Live"),
        "oip.server_ready": _asks("A model serves", "ServerReady", NotReady),
        "oip.model_metadata": _asks("The model", "ModelMetadata", *_OF_A_MODEL),
        "oip.model_ready": _asks("It serves", "ModelReady", *_OF_A_MODEL),
        "oip.model_config": _asks("Its configuration", "ModelConfiguration", *_OF_A_MODEL),
        "oip.infer": _infer(settings),
        "oip.repository_index": Operation(
            tag="protocol",
            answers={"200": answer("The versions, newest first", {JSON: reference("RepositoryIndex")})},
            errors=OF_A_BODY,
            body={"required": False, "content": {JSON: {"schema": reference("IndexRequest")}}},
        ),
    }


def _asks(description: str, schema: str, *errors: type[UnknownRoute | NotReady]) -> Operation:
    return Operation(
        tag="protocol", answers={"200": answer(description, {JSON: reference(schema)})}, errors=tuple(errors)
    )


def _infer(settings: Settings) -> Operation:
    length = {JSON_LENGTH: {"description": "Of the JSON in a binary answer, in bytes.", "schema": _LENGTH}}
    content = {JSON: reference("InferenceResponse"), BYTES: BINARY}
    about = (
        f"`{INPUT_NAME}` comes as UINT8 or FP32 and is given to the model as it is, or as BYTES, encoded pictures that "
        f"are read as `/predict` reads them; at most {settings.max_batch}.\n\n"
        f"Binary data follows the JSON, whose length `{JSON_LENGTH}` says, and `binary_data_size` stands where `data` "
        "stood; a BYTES element is its length, 4 bytes little-endian, and its bytes. `binary_data_output`, or "
        "`binary_data` of the output, asks for such an answer."
    )
    return Operation(
        tag="protocol",
        about=about,
        answers={"200": answer("The output; binary where that was asked for", content, headers=length)},
        errors=(*ERRORS, UnknownRoute),
        parameters=(
            parameter("header", JSON_LENGTH, "Length of the JSON in bytes; without it, all is JSON.", _LENGTH),
        ),
        body={
            "required": True,
            "content": {JSON: {"schema": reference("InferenceRequest")}, BYTES: {"schema": BINARY}},
        },
    )
