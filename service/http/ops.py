"""Is it alive, is it ready, what does it do: the routes for those who run the service."""

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder

from service.http.answering import service
from service.http.predict import model_of

blueprint = Blueprint("ops", __name__)


@blueprint.get("/livez")
def livez() -> ResponseReturnValue:
    """Answer as long as the process can: a restart would mend nothing else."""
    return {"status": "alive"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 while a model serves and the process has not been told to stop."""
    model = service().ready()
    engine = {"provider": model.engine.provider, "file": model.engine.file}
    return {"status": "ready", **model_of(model.manifest), **engine}


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Give the metrics of all workers, in Prometheus' text or, where it is asked for, as OpenMetrics."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(service().metrics), content_type=content_type)
