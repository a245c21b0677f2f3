"""FastAPI: `UploadFile` for a form, the request's body for raw bytes, and a model of the answer."""

import os
from pathlib import Path

from fastapi import FastAPI, Request, UploadFile
from pydantic import BaseModel

from benchmarks.serving.work import Reader

app = FastAPI()
reader = Reader(Path(os.environ["BENCHMARKED_VERSION"]))


class Answer(BaseModel):
    """What is answered."""

    digit: int
    confidence: float
    probabilities: list[float]


@app.post("/predict")
async def predict(image: UploadFile) -> Answer:
    """Answer for a picture in a form. The work is too short to be worth a thread."""
    return Answer(**reader.read(await image.read()))


@app.post("/raw")
async def raw(request: Request) -> Answer:
    """Answer for a picture that is the body."""
    return Answer(**reader.read(await request.body()))
