"""The log: a line for each event, as text or JSON, on stderr.

Pictures and digits are never logged: the digits in order may be somebody's account number.
"""

import json
import logging
import re
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.settings import Settings

REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # safe to repeat
UNMATCHED = "unmatched"

_TEXT = "%(asctime)s %(levelname)-7s [%(process)d] %(message)s"
_PROBES = frozenset(("/livez", "/readyz", "/metrics"))

access_log = logging.getLogger("gunicorn.access")


@dataclass(slots=True)
class Notes:
    """What the log and the metrics record of a request."""

    request_id: str
    method: str = ""
    path: str = ""
    remote: str = "-"
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 0
    route: str = UNMATCHED  # the rule of the URL
    code: str = ""  # of the error that was answered
    pictures: int = 0  # for which the model ran
    seconds: float = 0.0


current: ContextVar[Notes | None] = ContextVar("current", default=None)


def one_line(text: str) -> str:
    r"""Return the text with control characters and line breaks escaped, as \n or \x1b."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def log_access(notes: Notes) -> None:
    """Log an answered request; successful health probes at level debug only."""
    level = logging.DEBUG if notes.route in _PROBES and notes.status == 200 else logging.INFO
    if not access_log.isEnabledFor(level):
        return
    fields = {
        "method": notes.method,
        "path": one_line(notes.path),  # without its query, for that may hold anything
        "route": notes.route,
        "status": notes.status,
        "duration_ms": round(notes.seconds * 1000, 1),
        "bytes_in": notes.bytes_in,
        "bytes_out": notes.bytes_out,
        "remote": notes.remote,
        **({"code": notes.code} if notes.code else {}),
        **({"pictures": notes.pictures} if notes.pictures else {}),
    }
    text = "%(method)s %(path)s %(status)s %(duration_ms)s ms, %(bytes_in)s bytes from %(remote)s"
    access_log.log(level, text, fields, extra={"access": fields, "request_id": notes.request_id})


def _request_id(record: logging.LogRecord) -> str:
    notes = current.get()
    return getattr(record, "request_id", notes.request_id if notes else "")


class TextFormatter(logging.Formatter):
    """Formats a record as a line of text that ends in the request ID; a traceback follows on further lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = one_line(super().formatMessage(record))
        name = _request_id(record)
        return f"{line} request={name}" if name else line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object, with the fields of an access record beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        if name := _request_id(record):
            fields["request_id"] = name
        fields |= getattr(record, "access", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def configure(settings: Settings) -> None:
    """Log to stderr in the format and from the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
