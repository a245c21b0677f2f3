"""`POST /predict` and `POST /predict/batch`: pictures in, digits out."""

import numpy as np
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from service.api import admitted, answers, service, serving
from service.api.reading import read_digit, run
from service.api.uploads import Upload, many_pictures, one_picture
from service.errors import RequestError
from service.light import Grey

blueprint = Blueprint("predict", __name__)


@blueprint.post("/predict")
@admitted
def predict() -> ResponseReturnValue:
    """Answer for one picture."""
    options = answers.Options.of(request)
    model = serving()
    digit = read_digit(one_picture(request))
    probabilities = run(model, digit[np.newaxis])[0]
    answer = answers.prediction(probabilities, digit, model.manifest, options)
    return jsonify({**answer, "model": answers.model(model.manifest)})


@blueprint.post("/predict/batch")
@admitted
def predict_batch() -> ResponseReturnValue:
    """Answer for each picture of a batch, or say what is wrong with that one. The model runs once for all."""
    options = answers.Options.of(request)
    model = serving()
    digits = [_try_to_read(upload) for upload in many_pictures(request, service().settings.max_batch)]
    readable = [digit for digit in digits if not isinstance(digit, RequestError)]
    rows = iter(run(model, np.stack(readable)) if readable else ())
    predictions = [
        answers.error(digit)
        if isinstance(digit, RequestError)
        else answers.prediction(next(rows), digit, model.manifest, options)
        for digit in digits
    ]
    return jsonify({"predictions": predictions, "model": answers.model(model.manifest)})


def _try_to_read(upload: Upload) -> Grey | RequestError:
    try:
        if isinstance(upload, RequestError):
            raise upload
        return read_digit(upload)
    except RequestError as error:
        service().metrics.refused(error.code)
        return error
