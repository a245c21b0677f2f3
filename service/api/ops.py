"""Is it alive, is it ready: the routes for those who run the service."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from service.api import answers, ready

blueprint = Blueprint("ops", __name__)


@blueprint.get("/livez")
def livez() -> ResponseReturnValue:
    """Answer as long as the process can: a restart would mend nothing else."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 while a model serves and the process has not been told to stop."""
    model = ready()
    return jsonify(
        {
            "status": "ready",
            "model": answers.model(model.manifest),
            "provider": model.engine.provider,
            "file": model.engine.file,
        }
    )
