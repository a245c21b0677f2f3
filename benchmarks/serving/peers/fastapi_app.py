"""FastAPI: `UploadFile` for a form, the request body for raw bytes, and a response model."""

import os
from pathlib import Path

from fastapi import FastAPI, Request, UploadFile
from pydantic import BaseModel

from benchmarks.serving.work import Reader

app = FastAPI()
reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))


class Answer(BaseModel):
    """The response model."""

    digit: int
    confidence: float
    probabilities: list[float]


@app.post("/predict")
async def predict(image: UploadFile) -> Answer:
    """Answer for a picture in a form, without a thread: the work is too short."""
    return Answer(**reader.read(await image.read()))


@app.post("/raw")
async def raw(request: Request) -> Answer:
    """Answer for a picture as the body."""
    return Answer(**reader.read(await request.body()))
