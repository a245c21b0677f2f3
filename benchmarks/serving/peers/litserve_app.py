"""LitServe: a LitAPI, which takes forms and JSON but no raw body."""

import os
import sys
from pathlib import Path
from typing import Any

import litserve
from fastapi import Request

from benchmarks.serving.work import Reader


class Digits(litserve.LitAPI):
    """The LitServe request hooks."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Open the model, in the inference process."""
        self.reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))

    def decode_request(self, request: Request) -> bytes:
        """Take the picture from the form."""
        content: bytes = request["image"].file.read()  # type: ignore[index]
        return content

    def predict(self, content: bytes) -> dict[str, Any]:
        """Run the work."""
        return self.reader.read(content)

    def encode_response(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the answer unchanged."""
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
