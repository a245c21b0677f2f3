"""`/predict` and `/predict/batch`."""

from service import errors
from service.answers import FLAGS
from service.api.uploads import FIELD
from service.contract import LABELS
from service.openapi.parts import BINARY, BYTES, JSON, Json, Operation, answer, parameter, record, reference
from service.openapi.schemas import PICTURE
from service.settings import Settings

_MULTIPART = "multipart/form-data"
_MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", BYTES)
_OF_A_PICTURE = (errors.UnsupportedImage, errors.UnreadableImage, errors.NoDigit, errors.SeveralDigits)
OF_A_BODY = (
    errors.MalformedRequest,
    errors.SlowRequest,
    errors.TooLarge,
    errors.UnsupportedMediaType,
    errors.TooBusy,
)
ERRORS = (*OF_A_BODY, *_OF_A_PICTURE, errors.NotReady)

_OPTIONS = (
    parameter(
        "query",
        "top_k",
        "Answer with so many of the likeliest digits too.",
        {"type": "integer", "minimum": 1, "maximum": len(LABELS)},
    ),
    parameter(
        "query",
        "seen",
        "Answer with the picture that the model was given too.",
        {"type": "string", "enum": list(FLAGS)},
    ),
)


def operations(settings: Settings) -> dict[str, Operation]:
    """Return the operations by the endpoint of their route."""
    limits = (
        f"A body may have {settings.max_upload_bytes:,} bytes. A colour picture may have {settings.max_pixels:,} "
        "pixels, a grey one four times, an ordinary JPEG eight times that. PNG, JPEG, GIF, BMP and WebP are read."
    )
    return {
        "predict.predict": Operation(
            tag="predict",
            about=limits,
            answers={"200": answer("The digit", {JSON: reference("Prediction")})},
            errors=ERRORS,
            parameters=_OPTIONS,
            body=_one_picture(),
        ),
        "predict.predict_batch": Operation(
            tag="predict",
            about=f"{limits} At most {settings.max_batch} pictures in a request.",
            answers={"200": answer("The digits", {JSON: reference("Predictions")})},
            errors=(*OF_A_BODY, errors.NotReady),
            parameters=_OPTIONS,
            body=_many_pictures(settings.max_batch),
        ),
    }


def _one_picture() -> Json:
    content = {
        _MULTIPART: {"schema": record("A form with a file", {FIELD: BINARY})},
        **{kind: {"schema": BINARY} for kind in _MEDIA_TYPES},
        JSON: {"schema": record("A picture as text", {FIELD: PICTURE})},
    }
    return {"required": True, "content": content}


def _many_pictures(most: int) -> Json:
    def list_of(items: Json) -> Json:
        return {"type": "array", "items": items, "minItems": 1, "maxItems": most}

    content = {
        _MULTIPART: {"schema": record("A form with files, all under one name", {FIELD: list_of(BINARY)})},
        JSON: {"schema": record("Pictures as texts", {"images": list_of(PICTURE)})},
    }
    return {"required": True, "content": content}
