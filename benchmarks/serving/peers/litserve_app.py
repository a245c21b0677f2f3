"""LitServe: a LitAPI, which takes forms and JSON; a raw body is none of its ways."""

import os
import sys
from pathlib import Path
from typing import Any

import litserve
from fastapi import Request

from benchmarks.serving.work import Reader


class Digits(litserve.LitAPI):
    """The life of a request, as LitServe divides it."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Open the model, in the process that infers."""
        self.reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))

    def decode_request(self, request: Request) -> bytes:
        """Take the picture out of the form."""
        content: bytes = request["image"].file.read()  # type: ignore[index]
        return content

    def predict(self, content: bytes) -> dict[str, Any]:
        """Do the work."""
        return self.reader.read(content)

    def encode_response(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Answer as it is."""
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
