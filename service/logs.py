"""One line for whatever happens, as text or as JSON, on stderr. No picture is ever logged."""

import json
import logging
import os
import sys
from datetime import datetime, timedelta
from typing import Any

from gunicorn.glogging import Logger

from service.settings import Settings

_TEXT = "%(asctime)s %(levelname)-7s [%(process)d] %(message)s"


class JsonFormatter(logging.Formatter):
    """A record as one JSON object; the fields of an access record stand beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, "access", {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def configure(settings: Settings) -> None:
    """Send all logging of this process to stderr, in the format and from the level that the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without handlers of its own: what it logs goes where everything goes."""

    def setup(self, cfg: Any) -> None:
        """Set all logging up; gunicorn calls this before it logs its first line, and at each reload."""
        self.cfg = cfg
        configure(Settings.from_environ(os.environ))
        for logger in (self.error_log, self.access_log):
            logger.propagate = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:  # noqa: ARG002
        """Log a request: method, path without its query, status and duration."""
        if not self.access_log.isEnabledFor(logging.INFO):
            return
        path = environ["RAW_URI"].partition("?")[0].encode("unicode_escape").decode("ascii")
        status = int(str(resp.status)[:3])
        milliseconds = round(request_time.total_seconds() * 1000, 1)
        fields = {"method": environ["REQUEST_METHOD"], "path": path, "status": status, "duration_ms": milliseconds}
        self.access_log.info("%s %s %d %.1f ms", fields["method"], path, status, milliseconds, extra={"access": fields})
