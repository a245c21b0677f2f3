"""`POST /predict` and `POST /predict/batch`: pictures in, digits out."""

import numpy as np
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from service import answers
from service.api import Service, admitted, service
from service.api.reading import read_digit, run
from service.api.uploads import Upload, many_pictures, one_picture
from service.errors import RequestError
from service.preprocessing.illumination import Grey

blueprint = Blueprint("predict", __name__)


@blueprint.post("/predict")
@admitted
def predict() -> ResponseReturnValue:
    """Answer for one picture."""
    options = answers.Options.of(request)
    here = service()
    model = here.serving()
    digit = read_digit(here, one_picture(request))
    probabilities = run(here, model, digit[np.newaxis])[0]
    return jsonify(answers.single(probabilities, digit, model.manifest, options))


@blueprint.post("/predict/batch")
@admitted
def predict_batch() -> ResponseReturnValue:
    """Answer for each picture of a batch, or say what is wrong with that one. The model runs once for all."""
    options = answers.Options.of(request)
    here = service()
    model = here.serving()
    digits = [_try_to_read(here, upload) for upload in many_pictures(request, here.settings.max_batch)]
    readable = [digit for digit in digits if not isinstance(digit, RequestError)]
    rows = iter(run(here, model, np.stack(readable)) if readable else ())
    predictions = [
        answers.error(digit)
        if isinstance(digit, RequestError)
        else answers.prediction(next(rows), digit, model.manifest, options)
        for digit in digits
    ]
    return jsonify({"predictions": predictions, "model": answers.model(model.manifest)})


def _try_to_read(here: Service, upload: Upload) -> Grey | RequestError:
    try:
        if isinstance(upload, RequestError):
            raise upload
        return read_digit(here, upload)
    except RequestError as error:
        here.metrics.refused(error.code)
        return error
