"""MLServer: a runtime with custom handlers, because its protocol has no forms."""

import os
from pathlib import Path
from typing import Any

from fastapi import Request, UploadFile
from mlserver import MLModel
from mlserver.handlers import custom_handler

from benchmarks.serving.work import Reader


class Digits(MLModel):
    """The model, and the two routes."""

    async def load(self) -> bool:
        """Open the model."""
        self.reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))
        return True

    @custom_handler(rest_path="/predict")
    async def predict_form(self, image: UploadFile) -> dict[str, Any]:
        """Answer for a picture in a form."""
        return self.reader.read(await image.read())

    @custom_handler(rest_path="/raw")
    async def predict_raw(self, request: Request) -> dict[str, Any]:
        """Answer for a picture as the body."""
        return self.reader.read(await request.body())
