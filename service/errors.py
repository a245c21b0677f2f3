"""Every error that a user of the service can meet, with its HTTP status and machine-readable code.

The message is one sentence that says what to do; it is shown to the client as it stands. A docstring's first line says
in `/openapi.json` when the error is met.
"""

from collections.abc import Iterator

Headers = tuple[tuple[str, str], ...]


class DigitsError(Exception):
    """The service failed at this request; its log says why."""

    status = 500
    code = "internal_error"
    headers: Headers = ()  # of the answer

    def __init_subclass__(cls, status: int = 0, code: str = "", headers: Headers = ()) -> None:
        """Set what a type says of itself; the rest is as in its base."""
        for name, value in {"status": status, "code": code, "headers": headers}.items():
            if value:
                setattr(cls, name, value)

    @classmethod
    def meaning(cls) -> str:
        """Return when this type of error is met, as a sentence."""
        return (cls.__doc__ or "").splitlines()[0]


class SettingsError(DigitsError):
    """A setting has a value that is not allowed."""


class RequestError(DigitsError, status=400):
    """The request cannot be answered as it was sent."""


class MalformedRequest(RequestError, code="malformed_request"):
    """The request does not have the documented form."""


class UnsupportedTransferCoding(RequestError, code="unsupported_transfer_coding"):
    """The body comes in a transfer coding other than chunked."""


# A challenge a line: Chromium reads only the first of a line. Basic makes browsers ask for the key.
_CHALLENGES = (("WWW-Authenticate", 'Basic realm="digits"'), ("WWW-Authenticate", 'Bearer realm="digits"'))


class Unauthorized(RequestError, status=401, code="unauthorized", headers=_CHALLENGES):
    """The request carries no API key, or an unknown one."""


class UnknownRoute(RequestError, status=404, code="not_found"):
    """No such route, model or version."""


class WrongMethod(RequestError, status=405, code="method_not_allowed"):
    """The path exists, the method does not."""


class SlowRequest(RequestError, status=408, code="request_timeout"):
    """The request took too long to arrive."""


class TooLarge(RequestError, status=413, code="too_large"):
    """The request has more bytes, pixels or pictures than allowed."""


class UriTooLong(RequestError, status=414, code="uri_too_long"):
    """The address is too long."""


class UnsupportedMediaType(RequestError, status=415, code="unsupported_media_type"):
    """The content type of the request is none that is read here."""


class UnsupportedImage(RequestError, status=415, code="unsupported_image"):
    """The bytes are not a picture in one of the formats that are read."""


class ExpectationFailed(RequestError, status=417, code="expectation_failed"):
    """The `Expect` header asks for something else than `100-continue`."""


class UnreadableImage(RequestError, status=422, code="unreadable_image"):
    """The format is known but the picture is damaged."""


class NoDigit(RequestError, status=422, code="no_digit"):
    """The picture was read and holds nothing that could be a digit."""


class SeveralDigits(RequestError, status=422, code="several_digits"):
    """The picture was read and holds more than one figure."""


class TooManyDigits(RequestError, status=422, code="too_many_digits"):
    """The picture was read and holds more figures than are read of one picture."""


class HeadersTooLarge(RequestError, status=431, code="headers_too_large"):
    """The request has too many headers, or too large ones."""


class TooBusy(DigitsError, status=429, code="too_busy", headers=(("Retry-After", "1"),)):
    """The request would wait too long for its turn: try again after `Retry-After` seconds."""


class NotReady(DigitsError, status=503, code="not_ready"):
    """No model serves at present."""


class InsufficientStorage(DigitsError, status=507, code="insufficient_storage"):
    """The correction cannot be kept: the limit is reached, or the disk is full or not writable."""


class ModelError(DigitsError, status=503, code="model_error"):
    """A model version cannot be served."""


class ManifestError(ModelError, code="manifest_error"):
    """The manifest is missing or damaged, or a file differs from what it says."""


class ContractError(ModelError, code="contract_error"):
    """The model does not speak this contract: tensor names, shapes, dtypes, labels or version."""


class ProviderError(ModelError, code="provider_error"):
    """The execution provider that was demanded cannot run the model here."""


class SelfTestError(ModelError, code="self_test_failed"):
    """The model does not give the probabilities that its manifest promises."""


def kinds(root: type[DigitsError] = DigitsError) -> Iterator[type[DigitsError]]:
    """Yield each type of error with a code of its own, the root first."""
    if "code" in vars(root):
        yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def first_line(error: Exception) -> str:
    """Return what a foreign error says, cut to one line with no full stop, to stand inside a sentence of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
