"""Has a request arrived in full? That alone is decided here, so that no thread waits for a client.

gunicorn's parser reads the bytes afterwards and is the only one to say what they mean. Where the two disagree, what is
called whole here too early ends early there, and is refused as malformed; nothing is ever taken for another request.
"""

import re
from enum import Enum

from gunicorn.http.errors import LimitRequestHeaders
from werkzeug.exceptions import RequestEntityTooLarge

MAX_HEAD_BYTES = 64 << 10
_MAX_SIZE_LINE = 4096  # of a chunk
_FRAMES_PER_BYTE = 2  # so many times the largest body may a chunked one take with its sizes

_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Stage(Enum):
    """What is still to come."""

    HEAD = "head"
    LENGTH = "a body of known length"
    CHUNKS = "a chunked body"
    WHOLE = "nothing"


class Arrival:
    """The bytes of one request as they come, and of what the client has sent after it.

    `refusal` is what reading on beyond `content` raises, because more would be too much: an error of HTTP.
    """

    def __init__(self, max_body: int, content: bytes = b"") -> None:
        """Begin with what is already here; a body may have `max_body` bytes."""
        self.content = bytearray()
        self.stage = Stage.HEAD
        self.refusal: Exception | None = None
        self.wants_continue = False
        self._max_body = max_body
        self._at = 0  # what lies before has been looked at
        self._needed = 0  # bytes in all, where the length is known
        self._body = 0  # bytes of the chunks so far, the one that has just begun among them
        if content:
            self.feed(content)

    @property
    def length(self) -> int:
        """How many bytes the request has, where it has come whole and said so beforehand; else 0."""
        return self._needed if self.whole and not self.refusal and len(self.content) >= self._needed else 0

    @property
    def whole(self) -> bool:
        """Whether the request can be read without waiting for more."""
        return self.stage is Stage.WHOLE

    @property
    def in_head(self) -> bool:
        """Whether the head has not ended yet."""
        return self.stage is Stage.HEAD

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self.content += data
        if self.stage is Stage.HEAD:
            self._look_for_head()
        if self.stage is Stage.LENGTH and len(self.content) >= self._needed:
            self.stage = Stage.WHOLE
        if self.stage is Stage.CHUNKS:
            self._look_for_chunks()

    def _refuse(self, refusal: Exception) -> None:
        self.refusal = refusal
        self.stage = Stage.WHOLE

    def _look_for_head(self) -> None:
        end = self.content.find(_END, max(0, self._at - len(_END) + 1))
        if end >= 0:
            self._begin_body(bytes(self.content[:end]), end + len(_END))
        elif _BARE_LF.search(self.content, self._at):
            self.stage = Stage.WHOLE  # gunicorn refuses it
        elif len(self.content) > MAX_HEAD_BYTES:
            self._refuse(LimitRequestHeaders("the head is too large"))
        self._at = max(self._at, len(self.content)) if end < 0 else self._at

    def _begin_body(self, head: bytes, start: int) -> None:
        headers = _headers(head)
        self._at = start
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers:
            chunked = headers[b"transfer-encoding"].lower().endswith(b"chunked")
            self.stage = Stage.CHUNKS if chunked else Stage.WHOLE
        elif not (length.isdigit() and len(length) < 20):
            self.stage = Stage.WHOLE  # gunicorn refuses it
        elif int(length) > self._max_body:
            self._refuse(RequestEntityTooLarge())
        else:
            self.stage = Stage.LENGTH
            self._needed = start + int(length)
        self.wants_continue = headers.get(b"expect", b"").lower() == b"100-continue" and not self.whole

    def _look_for_chunks(self) -> None:
        while self.stage is Stage.CHUNKS and self._at < len(self.content):
            end = self.content.find(b"\r\n", self._at, self._at + _MAX_SIZE_LINE)
            size = self.content[self._at : end].partition(b";")[0].rstrip(b" \t")
            if end < 0 and len(self.content) - self._at < _MAX_SIZE_LINE:
                break
            if end < 0 or not _SIZE.fullmatch(size):
                self.stage = Stage.WHOLE  # gunicorn refuses it
            elif int(size, 16) == 0:
                self._look_for_trailers(end)
                break
            else:
                self._pass_chunk(end + 2, int(size, 16))

    def _pass_chunk(self, start: int, size: int) -> None:
        self._body += size
        self._at = start + size + 2
        if self._body > self._max_body or len(self.content) > _FRAMES_PER_BYTE * self._max_body + MAX_HEAD_BYTES:
            self._refuse(RequestEntityTooLarge())

    def _look_for_trailers(self, end: int) -> None:
        if self.content.find(_END, end) >= 0 or len(self.content) - end > MAX_HEAD_BYTES:
            self.stage = Stage.WHOLE


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Return the headers by their names in small letters; of those that are repeated, the last."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in lines}
