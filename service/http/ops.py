"""Health and metrics."""

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder

from service.http.answering import service
from service.http.predict import model_of

blueprint = Blueprint("ops", __name__)


@blueprint.get("/livez")
def livez() -> ResponseReturnValue:
    return {"status": "alive"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    model = service().ready()
    engine = {"provider": model.engine.provider, "file": model.engine.file}
    return {"status": "ready", **model_of(model.manifest), **engine}


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Return the metrics of all workers as Prometheus text, or as OpenMetrics if accepted."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(service().metrics), content_type=content_type)
