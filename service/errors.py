"""Every error that a user of the service can meet, with its HTTP status and machine-readable code.

    DigitsError
    ├── SettingsError                    the start is refused
    ├── RequestError                     the client can mend it
    │   ├── MalformedRequest        400  malformed_request
    │   ├── Unauthorized            401  unauthorized
    │   ├── UnknownRoute            404  not_found
    │   ├── WrongMethod             405  method_not_allowed
    │   ├── SlowRequest             408  request_timeout
    │   ├── TooLarge                413  too_large
    │   ├── UnsupportedMediaType    415  unsupported_media_type
    │   ├── UnsupportedImage        415  unsupported_image
    │   ├── UnreadableImage         422  unreadable_image
    │   ├── NoDigit                 422  no_digit
    │   └── SeveralDigits           422  several_digits
    ├── TooBusy                     429  too_busy
    ├── NotReady                    503  not_ready
    └── ModelError                  503  model_error
        ├── ManifestError                manifest_error
        ├── ContractError                contract_error
        ├── ProviderError                provider_error
        └── SelfTestError                self_test_failed

The message is one sentence that says what to do; it is shown to the client as it stands.
"""

from typing import ClassVar


class DigitsError(Exception):
    """Root of the tree. One that reaches a client undecided is a defect, hence 500."""

    status = 500
    code = "internal_error"
    headers: ClassVar[dict[str, str]] = {}  # that belong to the answer


class SettingsError(DigitsError):
    """A setting has a value that is not allowed."""


class RequestError(DigitsError):
    """The request cannot be answered as it was sent."""

    status = 400


class MalformedRequest(RequestError):
    """The request does not have the documented form."""

    code = "malformed_request"


class Unauthorized(RequestError):
    """The request carries no key, or none that is known."""

    status = 401
    code = "unauthorized"
    # Browsers ask their user for a password when they read Basic, so the page works with a key as it is.
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="digits", Basic realm="digits"'}


class UnknownRoute(RequestError):
    """Nothing is served at this path."""

    status = 404
    code = "not_found"


class WrongMethod(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class SlowRequest(RequestError):
    """The client took too long to send its request."""

    status = 408
    code = "request_timeout"


class TooLarge(RequestError):
    """The upload, or the picture that it claims to hold, is larger than allowed."""

    status = 413
    code = "too_large"


class UnsupportedMediaType(RequestError):
    """The content type of the request is none that is read here."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedImage(RequestError):
    """The bytes are not a picture in one of the formats that are read."""

    status = 415
    code = "unsupported_image"


class UnreadableImage(RequestError):
    """The format is known but the picture is damaged."""

    status = 422
    code = "unreadable_image"


class NoDigit(RequestError):
    """The picture was read and holds nothing that could be a digit."""

    status = 422
    code = "no_digit"


class SeveralDigits(RequestError):
    """The picture was read and holds more than one figure."""

    status = 422
    code = "several_digits"


class TooBusy(DigitsError):
    """More requests wait for an answer than can be given one in time: try again after `Retry-After` seconds."""

    status = 429
    code = "too_busy"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class NotReady(DigitsError):
    """No model serves at present."""

    status = 503
    code = "not_ready"


class ModelError(DigitsError):
    """A model version cannot be served."""

    status = 503
    code = "model_error"


class ManifestError(ModelError):
    """The manifest is missing or damaged, or a file differs from what it says."""

    code = "manifest_error"


class ContractError(ModelError):
    """The model does not speak this contract: tensor names, shapes, dtypes, labels or version."""

    code = "contract_error"


class ProviderError(ModelError):
    """The execution provider that was demanded cannot run the model here."""

    code = "provider_error"


class SelfTestError(ModelError):
    """The model does not give the probabilities that its manifest promises."""

    code = "self_test_failed"


def first_line(error: Exception) -> str:
    """Return what a foreign error says, cut to one line with no full stop, to stand inside a sentence of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
