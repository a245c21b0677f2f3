"""Alive and ready: with a model, without one, and while stopping."""

from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from service.api import EXTENSION
from service.app import create_app
from service.settings import Settings
from tests import factory


def test_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/livez").get_json() == {"status": "alive"}
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "ready",
        "model": {"name": "mnist-dmlp", "version": "1"},
        "provider": "cpu",
        "file": "model.onnx",
    }


def test_without_a_model_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    client = create_app(Settings(models_dir=tmp_path)).test_client()
    assert client.get("/livez").status_code == 200
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()["code"]) == (503, "not_ready")
    assert "python -m training" in response.get_json()["error"]


def test_the_reason_of_a_refusal_is_told(tmp_path: Path) -> None:
    factory.publish(tmp_path, content=factory.model(contract="9"))
    client = create_app(Settings(models_dir=tmp_path)).test_client()
    assert "contract version" in client.get("/readyz").get_json()["error"]


def test_ready_once_a_model_comes(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path, provider="cpu"))
    factory.publish(tmp_path)
    app.extensions[EXTENSION].store.refresh()
    assert app.test_client().get("/readyz").status_code == 200


def test_not_ready_while_draining(app: Flask, client: FlaskClient) -> None:
    app.extensions[EXTENSION].draining = lambda: True
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()["code"]) == (503, "not_ready")
    assert client.get("/livez").status_code == 200
