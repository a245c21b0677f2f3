"""Every error that a user of the service can meet, with its HTTP status and machine-readable code.

    DigitsError                              500  internal_error
    ├── SettingsError                             the start is refused
    ├── RequestError                              the client can correct it
    │   ├── MalformedRequest                 400  malformed_request
    │   ├── UnsupportedTransferCoding        400  unsupported_transfer_coding
    │   ├── Unauthorized                     401  unauthorized
    │   ├── UnknownRoute                     404  not_found
    │   ├── WrongMethod                      405  method_not_allowed
    │   ├── SlowRequest                      408  request_timeout
    │   ├── TooLarge                         413  too_large
    │   ├── UriTooLong                       414  uri_too_long
    │   ├── UnsupportedMediaType             415  unsupported_media_type
    │   ├── UnsupportedImage                 415  unsupported_image
    │   ├── ExpectationFailed                417  expectation_failed
    │   ├── UnreadableImage                  422  unreadable_image
    │   ├── NoDigit                          422  no_digit
    │   ├── SeveralDigits                    422  several_digits
    │   └── HeadersTooLarge                  431  headers_too_large
    ├── TooBusy                              429  too_busy
    ├── NotReady                             503  not_ready
    └── ModelError                           503  model_error
        ├── ManifestError                         manifest_error
        ├── ContractError                         contract_error
        ├── ProviderError                         provider_error
        └── SelfTestError                         self_test_failed

The message is one sentence that says what to do; it is shown to the client as it stands.
"""

from collections.abc import Iterator
from typing import ClassVar

Headers = tuple[tuple[str, str], ...]


class DigitsError(Exception):
    """The service failed at this request; its log says why."""

    status = 500
    code = "internal_error"
    headers: ClassVar[Headers] = ()  # of the answer


class SettingsError(DigitsError):
    """A setting has a value that is not allowed."""


class RequestError(DigitsError):
    """The request cannot be answered as it was sent."""

    status = 400


class MalformedRequest(RequestError):
    """The request does not have the documented form."""

    code = "malformed_request"


class UnsupportedTransferCoding(RequestError):
    """The body comes in a transfer coding other than chunked."""

    code = "unsupported_transfer_coding"


class Unauthorized(RequestError):
    """The request carries no API key, or an unknown one."""

    status = 401
    code = "unauthorized"
    # A line each: Chromium reads only the first challenge of a line. Basic makes browsers ask for the key.
    headers = (("WWW-Authenticate", 'Basic realm="digits"'), ("WWW-Authenticate", 'Bearer realm="digits"'))


class UnknownRoute(RequestError):
    """No such route, model or version."""

    status = 404
    code = "not_found"


class WrongMethod(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class SlowRequest(RequestError):
    """The request took too long to arrive."""

    status = 408
    code = "request_timeout"


class TooLarge(RequestError):
    """The request has more bytes, pixels or pictures than allowed."""

    status = 413
    code = "too_large"


class UriTooLong(RequestError):
    """The address is too long."""

    status = 414
    code = "uri_too_long"


class UnsupportedMediaType(RequestError):
    """The content type of the request is none that is read here."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedImage(RequestError):
    """The bytes are not a picture in one of the formats that are read."""

    status = 415
    code = "unsupported_image"


class ExpectationFailed(RequestError):
    """The `Expect` header asks for something else than `100-continue`."""

    status = 417
    code = "expectation_failed"


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


class HeadersTooLarge(RequestError):
    """The request has too many headers, or too large ones."""

    status = 431
    code = "headers_too_large"


class TooBusy(DigitsError):
    """The request would wait too long for its turn: try again after `Retry-After` seconds."""

    status = 429
    code = "too_busy"
    headers = (("Retry-After", "1"),)


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


def kinds(root: type[DigitsError] = DigitsError) -> Iterator[type[DigitsError]]:
    """Yield each type of error with a code of its own, the root first."""
    if "code" in vars(root):
        yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def first_line(error: Exception) -> str:
    """Return what a foreign error says, cut to one line with no full stop, to stand inside a sentence of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
