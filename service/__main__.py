"""`python -m service`: check the settings, then run gunicorn in this process."""

import errno
import os
import socket
import sys
import textwrap

from service.errors import SettingsError
from service.settings import Settings, table

USAGE = "usage: python -m service [--help]"


def main(arguments: list[str]) -> int:
    """Run the service until it is told to stop; return the exit status."""
    if arguments in (["--help"], ["-h"]):
        print(help_text())
        return 0
    if arguments:
        return _complain(f"{USAGE}: unknown argument {arguments[0]!r}; settings are environment variables.", 2)
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        return _complain(str(error), 2)
    refusal = address_refusal(settings.bind)
    if refusal:
        return _complain(f"DIGITS_BIND={settings.bind}: {refusal}.", 1)
    from gunicorn.app.wsgiapp import WSGIApplication

    sys.argv[1:] = ["--config", "python:service.gunicorn_conf"]  # WSGIApplication reads its arguments there
    WSGIApplication(prog="python -m service").run()
    return 0


def help_text() -> str:
    """Return the usage and the table of settings."""
    lines = [USAGE, "", "Serves handwritten digits over HTTP. The settings are environment variables:", ""]
    for variable, default, allowed, meaning in table():
        lines += [f"{variable}={default}", textwrap.indent(f"{meaning} ({allowed})", "    ")]
    return "\n".join(lines)


def address_refusal(bind: str) -> str:
    """Return why nothing can listen at `bind`, empty where it can. gunicorn alone would try for five seconds."""
    if bind.startswith("unix:"):
        return ""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    if int(port) > 65535:
        return "the largest port is 65535"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, int(port)), family=family):
            return ""
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "the port is in use; stop what listens there, or choose another"
        return (error.strerror or str(error)).lower()


def _complain(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
