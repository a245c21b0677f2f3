"""The KServe manifests against KServe's fields, Kubernetes' published schemas, and the service.

KServe's client cannot be installed beside TensorFlow (it needs an older protobuf). So the fields that KServe adds to
pods and containers are listed here, from its API types as of 0.21 (kserve/kserve, pkg/apis/serving: v1alpha1
ServingRuntimeSpec, v1beta1 PredictorSpec, ComponentExtensionSpec, PredictorExtensionSpec). The rest is in the schemas
of Kubernetes.
"""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from service.contract import CONTRACT_VERSION, MODEL_NAME, Manifest
from service.settings import Settings
from tests import door
from tests.test_kubernetes import BASE, KUBERNETES, VOLUME, container, documents, environment, probes, the

KSERVE = KUBERNETES.parent / "contrib" / "kserve"
MODELS = KUBERNETES.parent.parent / "models"
MOUNTED = "/mnt/models"  # KServe's place for what `storageUri` names

_TEXT, _COUNT, _FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
_PROTOCOL = {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}
_FORMAT = {"name": _TEXT, "version": _TEXT}


def strict(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


@cache
def kubernetes_definitions() -> dict[str, Any]:
    schemas = resources.files("kubernetes_validate") / "kubernetes-json-schema" / "v1.37.0-local-strict"
    definitions: dict[str, Any] = json.loads((schemas / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return definitions


def fields(kind: str) -> dict[str, Any]:
    """Return the fields of a Kubernetes core kind with their schemas."""
    found: dict[str, Any] = kubernetes_definitions()[f"io.k8s.api.core.v1.{kind}"]["properties"]
    return found


def runtime_schema() -> dict[str, Any]:
    of_a_pod = ("containers", "volumes", "nodeSelector", "affinity", "tolerations", "imagePullSecrets", "hostIPC")
    return {name: fields("PodSpec")[name] for name in of_a_pod} | {
        "annotations": {"type": "object", "additionalProperties": _TEXT},
        "labels": {"type": "object", "additionalProperties": _TEXT},
        "multiModel": _FLAG,
        "disabled": _FLAG,
        "protocolVersions": {"type": "array", "items": _PROTOCOL},
        "supportedModelFormats": {
            "type": "array",
            "items": strict(["name"], {**_FORMAT, "autoSelect": _FLAG, "priority": {"type": "integer", "minimum": 1}}),
        },
    }


def predictor_schema() -> dict[str, Any]:
    model = fields("Container") | {
        "modelFormat": strict(["name"], _FORMAT),
        "runtime": _TEXT,
        "runtimeVersion": _TEXT,
        "protocolVersion": _PROTOCOL,
        "storageUri": {"type": "string", "pattern": "^(pvc|s3|gs|https?|hdfs|webhdfs|oci|hf)://."},
    }
    return fields("PodSpec") | {
        "minReplicas": _COUNT,
        "maxReplicas": _COUNT,
        "scaleTarget": _COUNT,
        "scaleMetric": {"enum": ["cpu", "memory", "concurrency", "rps"]},
        "containerConcurrency": _COUNT,
        "timeout": _COUNT,
        "canaryTrafficPercent": _COUNT,
        "labels": {"type": "object", "additionalProperties": _TEXT},
        "annotations": {"type": "object", "additionalProperties": _TEXT},
        "model": strict(["modelFormat"], model),
    }


def schema(kind: str) -> dict[str, Any]:
    """Return the strict schema of one of KServe's kinds."""
    version, spec = {
        "ServingRuntime": ("v1alpha1", strict(["containers"], runtime_schema())),
        "InferenceService": ("v1beta1", strict(["predictor"], {"predictor": strict([], predictor_schema())})),
    }[kind]
    top = {
        "apiVersion": {"const": f"serving.kserve.io/{version}"},
        "kind": {"const": kind},
        "metadata": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        "spec": spec,
    }
    return strict(list(top), top) | {"$defs": kubernetes_definitions()}


def load(name: str) -> dict[str, Any]:
    """Return a manifest as KServe renders it for the InferenceService of this model."""
    text = (KSERVE / name).read_text(encoding="utf-8").replace("{{.Name}}", load_service()["metadata"]["name"])
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@cache
def load_service() -> dict[str, Any]:
    [found] = documents(KSERVE / "service.yaml")
    return found


def runtime_container() -> Any:
    [found] = load("runtime.yaml")["spec"]["containers"]
    return found


@pytest.mark.parametrize("name", ["runtime.yaml", "service.yaml", "triton.yaml"])
def test_manifests_are_valid(name: str) -> None:
    for document in documents(KSERVE / name):
        Draft202012Validator(schema(document["kind"])).validate(document)


@pytest.mark.parametrize(
    ("name", "path", "field"),
    [
        ("runtime.yaml", ("spec", "containers", 0, "readinessProbe"), "httpget"),
        ("service.yaml", ("spec", "predictor"), "replicas"),
        ("triton.yaml", ("spec", "predictor", "model"), "storageURI"),
    ],
)
def test_unknown_fields_are_found(name: str, path: tuple[Any, ...], field: str) -> None:
    [document] = documents(KSERVE / name)
    part: Any = document
    for step in path:
        part = part[step]
    part[field] = 1
    with pytest.raises(ValidationError, match=field):
        Draft202012Validator(schema(document["kind"])).validate(document)


def test_kustomization_lists_the_runtime_and_its_service() -> None:
    [told] = documents(KSERVE / "kustomization.yaml")
    assert told["resources"] == ["runtime.yaml", "service.yaml"]
    [namespace] = documents(BASE / "namespace.yaml")
    assert told["namespace"] == namespace["metadata"]["name"]


def test_service_uses_ports_of_the_runtime() -> None:
    runtime, model = load("runtime.yaml"), load_service()["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    offered = [(each["name"], each["version"]) for each in runtime["spec"]["supportedModelFormats"]]
    assert (model["modelFormat"]["name"], model["modelFormat"]["version"]) in offered
    assert model["modelFormat"]["version"] == CONTRACT_VERSION
    assert runtime_container()["name"] == "kserve-container"  # KServe finds it by that name


def test_model_is_one_of_the_published_repository() -> None:
    assert load_service()["metadata"]["name"] == MODEL_NAME
    settings = environment(runtime_container())
    assert settings.pop("DIGITS_MODELS_DIR") == MOUNTED
    parsed = Settings.from_environ({**settings, "DIGITS_MODELS_DIR": str(MODELS)})
    assert parsed.model_name == MODEL_NAME
    versions = [path for path in (parsed.models_dir / parsed.model_name).iterdir() if path.is_dir()]
    assert [Manifest.read(path).name for path in versions] == [MODEL_NAME] * len(versions)
    assert parsed.bind.endswith(f":{runtime_container()['ports'][0]['containerPort']}")


def test_all_pods_mount_the_volume_that_kubernetes_fills() -> None:
    [claim] = documents(VOLUME / "claim.yaml")
    for name in ("service.yaml", "triton.yaml"):
        assert load(name)["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{claim['metadata']['name']}"


def test_container_has_the_deployments_restrictions() -> None:
    [deployment] = documents(BASE / "deployment.yaml")
    known = container([deployment])["securityContext"]
    pod = the("Deployment", [deployment])["spec"]["template"]["spec"]["securityContext"]
    confined = runtime_container()["securityContext"]
    assert known.items() <= confined.items()
    for name in ("runAsNonRoot", "runAsUser", "seccompProfile"):
        assert confined[name] == pod[name]


def test_probes_use_existing_routes(models_dir: Path, tmp_path: Path) -> None:
    """KServe derives readiness from the pods. Probes send no API key, even if one is required."""
    key = tmp_path / "keys"
    key.write_text("a-key-of-forty-characters-for-this-test\n")
    environ = {"DIGITS_PROVIDER": "cpu", "DIGITS_API_KEY_FILE": str(key)}
    (tmp_path / "none").mkdir()
    ready, empty = (
        door.client_for(Settings.from_environ({**environ, "DIGITS_MODELS_DIR": str(models)}))
        for models in (models_dir, tmp_path / "none")
    )
    assert ready.get(f"/v2/models/{MODEL_NAME}").status_code == 401
    for name, path in probes(runtime_container()):
        assert path.startswith("/v2/")
        assert ready.get(path).status_code == 200
        assert empty.get(path).status_code == (503 if name == "readinessProbe" else 200)


def test_a_pod_is_given_the_time_that_stopping_takes() -> None:
    grace = Settings.from_environ({**environment(runtime_container()), "DIGITS_MODELS_DIR": str(MODELS)}).grace_seconds
    needed = runtime_container()["lifecycle"]["preStop"]["sleep"]["seconds"] + grace
    assert needed < load_service()["spec"]["predictor"]["terminationGracePeriodSeconds"] <= needed + 30
