"""`/v2/...`: the Open Inference Protocol, version 2, over REST, as in Triton, KServe and MLServer, but for `/infer`.

And `/v1/...`, the older protocol, but for `:predict`.

Statistics: triton-inference-server/server, docs/protocol/extension_statistics.md.
"""

import re
from collections import defaultdict
from typing import Any

import msgspec
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from service import __version__
from service.contract import IMAGE_SIDE, INPUT_NAME, LABELS, LABELS_FILE, OUTPUT_NAME, Manifest
from service.http.answering import service
from service.http.metrics import Metrics
from service.http.predict import decoded

blueprint = Blueprint("oip", __name__, url_prefix="/v2")
older = Blueprint("v1", __name__, url_prefix="/v1")

# Of the repository extension there is only the index: clients cannot load or unload models.
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository(index)", "statistics")
PLATFORM = "onnxruntime_onnx"  # Triton's name

_OF_MODEL = ("/models/<name>", "/models/<name>/versions/<version>")
_PREDICTIONS = re.compile(r".*(predict|predict/batch|predict/number|infer)")  # their routes


@blueprint.get("")
def server_metadata() -> ResponseReturnValue:
    return {"name": "digits", "version": __version__, "extensions": EXTENSIONS}


@blueprint.get("/health/live")
def server_live() -> ResponseReturnValue:
    return {"live": True}


@blueprint.get("/health/ready")
def server_ready() -> ResponseReturnValue:
    service().ready()
    return {"ready": True}


@blueprint.get(_OF_MODEL[0])
@blueprint.get(_OF_MODEL[1])
def model_metadata(name: str, version: str | None = None) -> ResponseReturnValue:
    model = service().model(name, version)
    return {
        "name": name,
        "versions": [model.manifest.version],
        "platform": PLATFORM,
        "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, IMAGE_SIDE, IMAGE_SIDE]}],
        "outputs": [{"name": OUTPUT_NAME, "datatype": "FP32", "shape": [-1, len(LABELS)]}],
    }


@older.get(_OF_MODEL[0])
@blueprint.get(_OF_MODEL[0] + "/ready")
@blueprint.get(_OF_MODEL[1] + "/ready")
def model_ready(name: str, version: str | None = None) -> ResponseReturnValue:
    service().model(name, version)
    service().ready()
    return {"name": name, "ready": True}


@blueprint.get(_OF_MODEL[0] + "/config")
@blueprint.get(_OF_MODEL[1] + "/config")
def model_config(name: str, version: str | None = None) -> ResponseReturnValue:
    """Describe the model as Triton's configuration does; `dims` leave out the batch."""
    model = service().model(name, version)
    return {
        "name": name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "version_policy": {"specific": {"versions": [int(model.manifest.version)]}},
        "max_batch_size": service().settings.max_batch,
        "input": [{"name": INPUT_NAME, "data_type": "TYPE_UINT8", "dims": [IMAGE_SIDE, IMAGE_SIDE]}],
        "output": [
            {"name": OUTPUT_NAME, "data_type": "TYPE_FP32", "dims": [len(LABELS)], "label_filename": LABELS_FILE}
        ],
    }


@blueprint.get("/models/stats")
@blueprint.get(_OF_MODEL[0] + "/stats")
@blueprint.get(_OF_MODEL[1] + "/stats")
def model_stats(name: str | None = None, version: str | None = None) -> ResponseReturnValue:
    model = service().model(name, version)
    return {"model_stats": [_statistics(service().metrics, model.manifest)]}


def _statistics(metrics: Metrics, manifest: Manifest) -> dict[str, Any]:
    """Return the counts and times of the model, including earlier versions, of all workers since the start.

    `compute_infer` counts runs, which requests share, and `compute_input` preprocessed pictures; `queue` is the rest of
    the requests' time. The time of failed requests is not known.
    """
    total: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in (sample[:3] for family in metrics.collect() for sample in family.samples):
        total[name + labels.get("stage", "")] += value
        if name == "digits_requests_total" and _PREDICTIONS.fullmatch(labels["route"]) and labels["status"] >= "400":
            total["failed"] += value

    def stage(*names: str) -> dict[str, int]:
        seconds = sum(total["digits_stage_seconds_sum" + name] for name in names)
        return _duration(total["digits_stage_seconds_count" + names[0]], seconds)

    success, made, ran = stage("total"), stage("decode", "canonical"), stage("inference")
    return {
        "name": manifest.name,
        "version": manifest.version,
        "last_inference": int(1000 * total["digits_last_run_timestamp_seconds"]),
        "inference_count": int(total["digits_batch_pictures_sum"]),
        "execution_count": int(total["digits_batch_pictures_count"]),
        "inference_stats": {
            "success": success,
            "fail": _duration(total["failed"]),
            "queue": {"count": success["count"], "ns": max(0, success["ns"] - made["ns"] - ran["ns"])},
            "compute_input": made,
            "compute_infer": ran,
            **{name: _duration() for name in ("compute_output", "cache_hit", "cache_miss")},
        },
        "batch_stats": [],
    }


def _duration(count: float = 0, seconds: float = 0) -> dict[str, int]:
    return {"count": int(count), "ns": round(1e9 * seconds)}


@older.get("/models")
def models() -> ResponseReturnValue:
    return {"models": [service().settings.model_name] if service().store.serving else []}


class IndexRequest(msgspec.Struct):
    ready: bool | None = None


@blueprint.post("/repository/index")
def repository_index() -> ResponseReturnValue:
    """List the versions of the model, and why the others do not serve; with `{"ready": true}` only the serving one."""
    body = request.get_data(cache=False) or b"{}"
    asked = decoded(body, IndexRequest, "a request of the protocol", 'send {"ready": true}, or nothing')
    here = service()
    return [
        {
            "name": here.settings.model_name,
            "version": str(version.number),
            "state": "READY" if version.serves else "UNAVAILABLE",
            "reason": version.reason,
        }
        for version in here.store.versions()
        if version.serves or not asked.ready
    ]
