"""`python -m service`: run gunicorn in this process, or a command without a server."""

import argparse
import errno
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PROG = "python -m service"
_MISSING = f"{sys.executable} has no {{}}: `make serve` installs it for `.venv/serve/bin/{PROG}`."

try:
    from service.errors import DigitsError, SettingsError
    from service.settings import Settings, former, table
except ModuleNotFoundError as error:
    sys.exit(_MISSING.format(error.name))


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see `{PROG} --help`.\n")


def main(arguments: list[str]) -> int:
    """Serve, or run the command that is given; return the exit status."""
    reader = parser()
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        reader.error(f"unknown argument {arguments[0]!r}, settings are environment variables")
    given = reader.parse_args(arguments)
    try:
        settings = Settings.from_environ(os.environ)
        for sentence in former(os.environ):
            print(sentence, file=sys.stderr)
        return _serve(settings) if given.command is None else _run(settings, given)
    except ModuleNotFoundError as error:
        sys.exit(_MISSING.format(error.name))
    except DigitsError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1


def parser() -> Parser:
    made = Parser(
        PROG,
        description="Reads handwritten digits over HTTP; a command works without a server.",
        epilog=_settings_help(),
    )
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = made.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    predict = commands.add_parser("predict", help="read pictures", description=_PREDICT)
    predict.add_argument("files", nargs="+", metavar="FILE", help="a picture, or - for stdin")
    predict.add_argument("--number", action="store_true", help="read all digits of each picture as a number")
    models = commands.add_parser("models", help="list the versions of the model", description=_MODELS)
    corrections = commands.add_parser("corrections", help="list or delete corrections", description=_CORRECTIONS)
    corrections.add_argument("--delete", nargs="+", metavar="ID", default=(), help="delete these, or `all`")
    for command in (predict, models, corrections):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return made


_PREDICT = "Prints the digit in each picture. The exit status is 1 if one could not be read; stderr says why."
_MODELS = "Opens each version and prints which would serve. The exit status is 1 if none would."
_CORRECTIONS = (
    "Lists the corrections in DIGITS_CORRECTIONS_DIR, oldest first. Suspect ones contradict a certain answer. The exit "
    "status is 1 if one to delete does not exist."
)


def _settings_help() -> str:
    lines = ["The settings are environment variables:", ""]
    for variable, default, allowed, meaning in table():
        lines += [f"{variable}={default}", textwrap.indent(f"{meaning} ({allowed})", "    ")]
    return "\n".join(lines)


def _serve(settings: Settings) -> int:
    if refusal := address_refusal(settings.bind):
        sys.exit(f"DIGITS_BIND={settings.bind}: {refusal}.")
    from gunicorn.app.wsgiapp import WSGIApplication

    sys.argv[1:] = ["--config", "python:service.gunicorn_conf"]  # WSGIApplication reads its arguments there
    WSGIApplication(prog=PROG).run()
    return 0


def _run(settings: Settings, given: argparse.Namespace) -> int:
    for unheard in (signal.SIGINT, signal.SIGPIPE):  # end as other tools do, not with a traceback
        signal.signal(unheard, signal.SIG_DFL)
    from service import commands

    run: Callable[[Settings, argparse.Namespace], int] = getattr(commands, given.command)
    return run(settings, given)


def address_refusal(bind: str) -> str:
    """Return why the service cannot listen at `bind`, empty if it can.

    gunicorn alone would try for five seconds, or take the socket of a running service away.
    """
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    try:
        if bind.startswith("unix:"):
            _try_path(Path(bind.removeprefix("unix:").removeprefix("//")))
        elif int(port) > 65535:
            return "the largest port is 65535"
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, int(port)), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "the address is in use; stop what listens there, or choose another"
        return (error.strerror or str(error)).lower()
    return ""


def _try_path(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as tried:
        if not path.exists():
            tried.bind(str(path))
            path.unlink()
        elif not path.is_socket():
            raise OSError("this is a file and no socket; remove it, or choose another")
        else:
            with suppress(ConnectionRefusedError):  # left by a killed server: gunicorn replaces it
                tried.connect(str(path))
                raise OSError(errno.EADDRINUSE, "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
