"""Alive and ready: with a model, without one, and while stopping."""

from pathlib import Path

from werkzeug.test import Client

from service.http.answering import Service
from service.settings import Settings
from tests import door, drawing, factory


def test_without_a_model_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    client = door.client_for(Settings(models_dir=tmp_path))
    assert client.get("/livez").status_code == 200
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()["code"]) == (503, "not_ready")
    assert "python -m training" in response.get_json()["error"]


def test_readyz_gives_the_reason_for_a_rejected_version(tmp_path: Path) -> None:
    factory.publish(tmp_path, content=factory.model(contract="9"))
    client = door.client_for(Settings(models_dir=tmp_path))
    assert "contract version" in client.get("/readyz").get_json()["error"]


def test_not_ready_while_draining(here: Service, client: Client) -> None:
    here.draining = lambda: True
    for path in ("/readyz", "/v2/health/ready", "/v2/models/mnist-dmlp/ready"):
        response = client.get(path)
        assert (response.status_code, response.get_json()["code"]) == (503, "not_ready")
    for path in ("/livez", "/v2/health/live"):
        assert client.get(path).status_code == 200
    assert client.post("/predict", data=drawing.png(7), content_type="image/png").status_code == 200
