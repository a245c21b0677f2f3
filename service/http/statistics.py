"""Statistics of all workers since the start, as in Triton's statistics extension.

Source: triton-inference-server/server, docs/protocol/extension_statistics.md.
"""

import re
from typing import Any

from service.contract import Manifest
from service.http.metrics import Metrics

_PREDICTIONS = re.compile(r".*(predict|predict/batch|predict/number|infer)")  # their routes


def model_statistics(metrics: Metrics, manifest: Manifest) -> dict[str, Any]:
    """Return the counts and times of the model, including earlier versions.

    `compute_infer` counts runs, which requests share, and `compute_input` preprocessed pictures; `queue` is the rest of
    the requests' time. The time of failed requests is not known.
    """
    samples = [sample for family in metrics.collect() for sample in family.samples]

    def total(name: str, **labels: str) -> float:
        return sum(found.value for found in samples if found.name == name and labels.items() <= found.labels.items())

    def stage(*names: str) -> dict[str, int]:
        seconds = sum(total("digits_stage_seconds_sum", stage=name) for name in names)
        return _duration(total("digits_stage_seconds_count", stage=names[0]), seconds)

    failed = sum(
        found.value
        for found in samples
        if found.name == "digits_requests_total"
        and _PREDICTIONS.fullmatch(found.labels["route"])
        and found.labels["status"] >= "400"
    )
    success, made, ran = stage("total"), stage("decode", "canonical"), stage("inference")
    return {
        "name": manifest.name,
        "version": manifest.version,
        "last_inference": int(1000 * total("digits_last_run_timestamp_seconds")),
        "inference_count": int(total("digits_batch_pictures_sum")),
        "execution_count": int(total("digits_batch_pictures_count")),
        "inference_stats": {
            "success": success,
            "fail": _duration(failed),
            "queue": {"count": success["count"], "ns": max(0, success["ns"] - made["ns"] - ran["ns"])},
            "compute_input": made,
            "compute_infer": ran,
            **{name: _duration() for name in ("compute_output", "cache_hit", "cache_miss")},
        },
        "batch_stats": [],
    }


def _duration(count: float = 0, seconds: float = 0) -> dict[str, int]:
    return {"count": int(count), "ns": round(1e9 * seconds)}
