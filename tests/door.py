"""An in-process client of the door, like Flask's test client."""

import asyncio
import threading
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders
from werkzeug.test import Client

from service.http.app import open_service
from service.http.front import Front
from service.settings import Settings

SECONDS = 60  # for an answer


def client_of(front: Front) -> Client:
    """Return a client of the door."""

    def asked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answering = asyncio.run_coroutine_threadsafe(_exchange(front, _scope(environ), body), _loop())
        start, content = answering.result(SECONDS)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        start_response(f"{start['status']} {HTTPStatus(start['status']).phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]  # as servers omit it

    return Client(asked)


def client_for(settings: Settings) -> Client:
    """Return a client of the door of a service with these settings."""
    return client_of(Front(open_service(settings)))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="door", daemon=True).start()
    return loop


def _scope(environ: dict[str, Any]) -> dict[str, Any]:
    path = environ["PATH_INFO"].encode("latin-1")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": path.decode("utf-8", "replace"),
        "raw_path": quote(path).encode("ascii"),
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "root_path": "",
        "headers": [
            (n.lower().encode(), v.encode("latin-1")) for n, v in EnvironHeaders(environ) if v or n != "Content-Length"
        ],
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "client": ("127.0.0.1", 1),
        "state": {},
    }


async def _exchange(front: Front, scope: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    received, sent = asyncio.Queue[dict[str, Any]](), list[dict[str, Any]]()
    received.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await front(scope, received.get, send)
    await asyncio.sleep(0)  # the log is written at the end of a loop iteration
    start, *parts = sent
    return start, b"".join(part["body"] for part in parts)
