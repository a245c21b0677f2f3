"""`python -m benchmarks.hardening.leaky`: the service with a deliberate leak, which the row long_run must detect."""

import sys

from service.__main__ import main
from service.http.front import Front, Receive, Scope, Send

LEAKED_BYTES = 16 << 10  # a request

_kept: list[bytearray] = []
_answer = Front.__call__


async def _leaking(self: Front, scope: Scope, receive: Receive, send: Send) -> None:
    _kept.append(bytearray(LEAKED_BYTES))
    await _answer(self, scope, receive, send)


if __name__ == "__main__":
    Front.__call__ = _leaking  # type: ignore[method-assign]
    sys.exit(main([]))
