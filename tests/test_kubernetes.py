"""The Kubernetes manifests against the published schemas, the Pod Security Standard, the image and the service.

No cluster is needed; `kubectl`, if installed, builds the kustomizations.
"""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.contract import MANIFEST_FILE, MODEL_NAME
from service.settings import Settings
from tests import door

ROOT = Path(__file__).parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE, VOLUME = KUBERNETES / "base", KUBERNETES / "overlays" / "volume"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OLDEST, NEWEST = "1.30", "1.37"  # Kubernetes versions: the oldest supported, and the newest in the schemas


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@cache
def built(directory: Path) -> tuple[dict[str, Any], ...]:
    """Return the output of kustomize for a directory; skip the test without kubectl."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed, so what kustomize builds is not seen")
    command = ["kubectl", "kustomize", str(directory)]
    return tuple(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def base() -> list[dict[str, Any]]:
    """Return the resources of the base, whose kustomization only lists them."""
    [told] = documents(BASE / "kustomization.yaml")
    assert told.keys() == {"apiVersion", "kind", "namespace", "resources"}
    return [document for name in told["resources"] for document in documents(BASE / name)]


def the(kind: str, resources: Any) -> Any:
    [found] = [resource for resource in resources if resource["kind"] == kind]
    return found


def pod(resources: Any) -> Any:
    return the("Deployment", resources)["spec"]["template"]["spec"]


def container(resources: Any) -> Any:
    [found] = pod(resources)["containers"]
    return found


def environment(spec: Any) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in spec["env"]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_base_is_valid(version: str) -> None:
    for resource in base():
        assert kubernetes_validate.validate(resource, version, strict=True) == version


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("directory", [BASE, VOLUME], ids=lambda path: path.name)
def test_kustomize_output_is_valid(directory: Path, version: str) -> None:
    resources = built(directory)
    kinds = [resource["kind"] for resource in resources]
    wanted = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Namespace"}
    assert wanted <= set(kinds)
    assert len(kinds) == len(set(kinds))
    for resource in resources:
        assert kubernetes_validate.validate(resource, version, strict=True) == version


@pytest.mark.parametrize("build", [base, lambda: built(VOLUME)], ids=["base", "volume"])
def test_pods_meet_the_restricted_standard(build: Any) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, and a read-only root file system."""
    spec = pod(build())
    assert the("Namespace", build())["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {"emptyDir", "persistentVolumeClaim"}
    for each in [*spec["containers"], *spec.get("initContainers", [])]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert each["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("build", [base, lambda: built(VOLUME)], ids=["base", "volume"])
def test_pods_run_the_image_as_it_is_built(build: Any) -> None:
    [user] = set(re.findall(r"^USER (\d+:\d+)$", DOCKERFILE, re.MULTILINE))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    spec, service = pod(build()), container(build())
    assert f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" == user
    images = {each["image"] for each in [*spec["containers"], *spec.get("initContainers", [])]}
    assert images == {f"digits:{version}"}
    [port] = service["ports"]
    assert f"DIGITS_BIND=0.0.0.0:{port['containerPort']}" in DOCKERFILE


def test_selectors_match_labels() -> None:
    resources = base()
    labels = the("Deployment", resources)["spec"]["template"]["metadata"]["labels"]
    selected = [
        the("Deployment", resources)["spec"]["selector"]["matchLabels"],
        the("Service", resources)["spec"]["selector"],
        the("PodDisruptionBudget", resources)["spec"]["selector"]["matchLabels"],
        the("NetworkPolicy", resources)["spec"]["podSelector"]["matchLabels"],
        *(rule["labelSelector"]["matchLabels"] for rule in pod(resources)["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selected)
    scaled = the("HorizontalPodAutoscaler", resources)["spec"]["scaleTargetRef"]
    assert scaled == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": the("Deployment", resources)["metadata"]["name"],
    }
    assert "replicas" not in the("Deployment", resources)["spec"]
    [port] = [each["name"] for each in container(resources)["ports"]]
    [exposed], [[allowed]] = the("Service", resources)["spec"]["ports"], ports_let_in(resources)
    assert exposed["targetPort"] == allowed["port"] == port
    assert the("NetworkPolicy", resources)["spec"]["egress"] == []


def ports_let_in(resources: Any) -> list[Any]:
    return [rule["ports"] for rule in the("NetworkPolicy", resources)["spec"]["ingress"]]


def test_more_pods_run_than_may_be_unavailable() -> None:
    resources = base()
    scaled, budget = the("HorizontalPodAutoscaler", resources)["spec"], the("PodDisruptionBudget", resources)["spec"]
    assert scaled["minReplicas"] > budget["maxUnavailable"]


def test_variables_are_settings_and_a_worker_has_a_processor() -> None:
    settings = Settings.from_environ(environment(container(base())))
    assert settings.workers == int(container(base())["resources"]["requests"]["cpu"])


def test_a_pod_is_given_the_time_that_stopping_takes() -> None:
    spec, service = pod(base()), container(base())
    settings = Settings.from_environ(environment(service))
    needed = service["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.grace_seconds
    assert needed < spec["terminationGracePeriodSeconds"] <= needed + 30


def probes(spec: Any) -> Iterator[tuple[str, str]]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield name, spec[name]["httpGet"]["path"]


def test_probes_use_existing_routes(models_dir: Path, tmp_path: Path) -> None:
    """With a model all probes succeed; without one a pod lives but is not ready."""
    ready = door.client_for(Settings(models_dir=models_dir, provider="cpu"))
    empty = door.client_for(Settings(models_dir=tmp_path / "none", provider="cpu"))
    for name, path in probes(container(base())):
        assert ready.get(path).status_code == 200
        assert empty.get(path).status_code == (503 if name == "readinessProbe" else 200)


def test_volume_is_where_the_service_looks() -> None:
    resources = built(VOLUME)
    [mount] = [each for each in container(resources)["volumeMounts"] if each["name"] == "models"]
    [directory] = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)
    assert mount == {"name": "models", "mountPath": f"{directory}/models", "readOnly": True}
    [volume] = [each for each in pod(resources)["volumes"] if each["name"] == "models"]
    claim = the("PersistentVolumeClaim", resources)
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["metadata"]["namespace"] == the("Deployment", resources)["metadata"]["namespace"]
    [filler] = pod(resources)["initContainers"]
    assert environment(filler)["FROM"] == mount["mountPath"]
    assert environment(filler)["TO"] == filler["volumeMounts"][0]["mountPath"]


def start_filling(models: Path, volume: Path) -> subprocess.Popen[bytes]:
    [patch] = documents(VOLUME / "models.yaml")
    [filler] = patch["spec"]["template"]["spec"]["initContainers"]
    command = [*filler["command"], *filler["args"]]
    return subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", "FROM": str(models), "TO": str(volume)})


def test_pods_starting_together_fill_the_volume_from_the_image(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    running = [start_filling(ROOT / "models", volume) for _ in range(12)]
    assert [process.wait(60) for process in running] == [0] * 12
    versions = volume / MODEL_NAME
    assert sorted(path.name for path in versions.iterdir()) == sorted(
        p.name for p in (ROOT / "models" / MODEL_NAME).iterdir()
    )
    assert door.client_for(Settings(models_dir=volume, provider="cpu")).get("/readyz").status_code == 200


def test_existing_models_in_the_volume_are_kept(models_dir: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    shutil.copytree(models_dir, volume)
    own = (volume / MODEL_NAME / "1" / MANIFEST_FILE).read_bytes()
    (volume / MODEL_NAME / "config.pbtxt").write_text("mine")
    assert start_filling(ROOT / "models", volume).wait(60) == 0
    assert (volume / MODEL_NAME / "1" / MANIFEST_FILE).read_bytes() == own
    assert (volume / MODEL_NAME / "config.pbtxt").read_text() == "mine"
