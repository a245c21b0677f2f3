"""The KServe manifests against Kubernetes' published schemas, the base manifests and the service.

KServe's client cannot be installed beside TensorFlow (it needs an older protobuf), so the fields that KServe adds to
pods and containers are listed here, from its API types as of 0.21 (kserve/kserve, pkg/apis/serving).
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.contract import CONTRACT_VERSION, MODEL_NAME, Manifest
from service.settings import Settings
from tests import door
from tests.test_kubernetes import BASE, KUBERNETES, NEWEST, VOLUME, container, documents, environment, probes, the

KSERVE = KUBERNETES.parent / "contrib" / "kserve"
MODELS = KUBERNETES.parent.parent / "models"
MOUNTED = "/mnt/models"  # where KServe mounts `storageUri`
OF_RUNTIME = {"annotations", "multiModel", "supportedModelFormats", "protocolVersions"}
OF_PREDICTOR = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
OF_MODEL = {"modelFormat", "runtime", "protocolVersion", "storageUri"}


def load(name: str) -> dict[str, Any]:
    """Return a manifest as KServe renders it for the InferenceService of this model."""
    text = (KSERVE / name).read_text(encoding="utf-8").replace("{{.Name}}", load_service()["metadata"]["name"])
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def load_service() -> dict[str, Any]:
    [found] = documents(KSERVE / "service.yaml")
    return found


def runtime_container() -> Any:
    [found] = load("runtime.yaml")["spec"]["containers"]
    return found


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a manifest describes, without what is KServe's own."""
    spec = dict(manifest["spec"].get("predictor", manifest["spec"]))
    if model := spec.pop("model", None):
        own = {key: value for key, value in model.items() if key not in OF_MODEL}
        spec["containers"] = [{"name": "kserve-container", "image": "digits", **own}]
    pod = {key: value for key, value in spec.items() if key not in OF_RUNTIME | OF_PREDICTOR}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": manifest["metadata"], "spec": pod}


@pytest.mark.parametrize("name", ["runtime.yaml", "service.yaml", "triton.yaml"])
def test_pods_are_valid_for_kubernetes(name: str) -> None:
    kubernetes_validate.validate(pod_of(load(name)), NEWEST, strict=True)


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
