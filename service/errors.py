"""All errors of the service, with HTTP status and machine-readable code.

A message is one sentence for the client that says what to do. The first line of a docstring describes the error in
`/openapi.json`.
"""

from collections.abc import Iterator

Headers = tuple[tuple[str, str], ...]


class DigitsError(Exception):
    """The service failed at this request; its log says why."""

    status = 500
    code = "internal_error"
    headers: Headers = ()  # of the answer

    def __init_subclass__(cls, status: int = 0, code: str = "", headers: Headers = ()) -> None:
        """Set what is given; the rest is inherited."""
        for name, value in {"status": status, "code": code, "headers": headers}.items():
            if value:
                setattr(cls, name, value)

    @classmethod
    def meaning(cls) -> str:
        """Return when this error occurs, as a sentence."""
        return (cls.__doc__ or "").splitlines()[0]


class SettingsError(DigitsError):
    """A setting has a value that is not allowed."""


class RequestError(DigitsError, status=400):
    """The request cannot be answered as it was sent."""


class MalformedRequest(RequestError, code="malformed_request"):
    """The request does not have the documented form."""


class UnsupportedTransferCoding(RequestError, code="unsupported_transfer_coding"):
    """The body has a transfer coding other than chunked."""


# Two headers, because Chromium reads only the first challenge of one. Basic makes browsers ask for the key.
_CHALLENGES = (("WWW-Authenticate", 'Basic realm="digits"'), ("WWW-Authenticate", 'Bearer realm="digits"'))


class Unauthorized(RequestError, status=401, code="unauthorized", headers=_CHALLENGES):
    """The request carries no API key, or an unknown one."""


class UnknownRoute(RequestError, status=404, code="not_found"):
    """There is no such route, model or version."""


class WrongMethod(RequestError, status=405, code="method_not_allowed"):
    """The path does not have this method."""


class SlowRequest(RequestError, status=408, code="request_timeout"):
    """The request took too long to arrive."""


class TooLarge(RequestError, status=413, code="too_large"):
    """The request has more bytes, pixels or pictures than allowed."""


class UriTooLong(RequestError, status=414, code="uri_too_long"):
    """The URL is too long."""


class UnsupportedMediaType(RequestError, status=415, code="unsupported_media_type"):
    """The content type is not supported."""


class UnsupportedImage(RequestError, status=415, code="unsupported_image"):
    """The bytes are not a picture in a supported format."""


class ExpectationFailed(RequestError, status=417, code="expectation_failed"):
    """The `Expect` header is not `100-continue`."""


class UnreadableImage(RequestError, status=422, code="unreadable_image"):
    """The picture is damaged."""

    def __init__(self, message: str = "The picture is damaged or truncated: send the whole file again.") -> None:
        super().__init__(message)


class NoDigit(RequestError, status=422, code="no_digit"):
    """The picture has nothing that could be a digit."""


class SeveralDigits(RequestError, status=422, code="several_digits"):
    """The picture has more than one figure."""


class TooManyDigits(RequestError, status=422, code="too_many_digits"):
    """The picture has more figures than are read in one picture."""


class HeadersTooLarge(RequestError, status=431, code="headers_too_large"):
    """The request has too many headers, or too large ones."""


class TooBusy(DigitsError, status=429, code="too_busy", headers=(("Retry-After", "1"),)):
    """The request would wait too long: try again after `Retry-After` seconds."""


class NotReady(DigitsError, status=503, code="not_ready"):
    """No model serves at the moment."""


class InsufficientStorage(DigitsError, status=507, code="insufficient_storage"):
    """The correction cannot be kept: the limit is reached, or the disk is full or not writable."""


class ModelError(DigitsError, status=503, code="model_error"):
    """A model version cannot be served."""


class ManifestError(ModelError, code="manifest_error"):
    """The manifest is missing or damaged, or a file differs from it."""


class ContractError(ModelError, code="contract_error"):
    """The model breaks the contract: tensor names, shapes, dtypes, labels or version."""


class ProviderError(ModelError, code="provider_error"):
    """The requested execution provider cannot run the model here."""


class SelfTestError(ModelError, code="self_test_failed"):
    """The model fails its self-test, or misreads the service's own digits."""


def kinds(root: type[DigitsError] = DigitsError) -> Iterator[type[DigitsError]]:
    """Yield each error type with its own code, the root first."""
    if "code" in vars(root):
        yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def first_line(error: Exception) -> str:
    """Return the first line of another library's error, without full stop, for use inside a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
