"""`python -m benchmarks.hardening.leaky`: the service with a leak planted in it, to see that it is caught."""

import sys
from typing import Any

from service.__main__ import main
from service.observe import Observed

LEAKED_BYTES = 16 << 10  # a request

_kept: list[bytearray] = []
_answer = Observed.__call__


def _leaking(self: Observed, environ: Any, start_response: Any) -> Any:
    _kept.append(bytearray(LEAKED_BYTES))
    return _answer(self, environ, start_response)


if __name__ == "__main__":
    Observed.__call__ = _leaking  # type: ignore[method-assign]
    sys.exit(main([]))
