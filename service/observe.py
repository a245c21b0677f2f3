"""Around every request: its identifier, the notes for its line in the log, and what is counted of it."""

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from service.logs import NOTES, REQUEST_ID_HEADER, Notes, RequestIds, current
from service.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST = "digits.request"  # where the WSGI environment holds the request that was made of it


class Observed:
    """A WSGI application, observed from outside, so that whatever answers is seen."""

    def __init__(self, application: "WSGIApplication", metrics: Metrics) -> None:
        """Observe `application`, which may write into the notes that `service.logs.current` holds."""
        self._application = application
        self._metrics = metrics
        self.ids = RequestIds()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        started = perf_counter()
        notes = environ[NOTES] = Notes(self.ids.name(environ.get("HTTP_X_REQUEST_ID", "")))
        status = ""

        def start(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal status
            status = line[:3]
            headers.append((REQUEST_ID_HEADER, notes.request_id))
            return start_response(line, headers, *rest)

        current.set(notes)
        self._metrics.started()
        try:
            return self._application(environ, start)
        finally:
            current.set(None)
            request = environ.pop(REQUEST, None)
            if request and request.url_rule:
                notes.route = request.url_rule.rule
            seconds = perf_counter() - started if notes.pictures else None
            self._metrics.ended(notes.route, environ["REQUEST_METHOD"], status, seconds)
