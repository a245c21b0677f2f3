"""Admission: how long requests and their pictures may wait."""

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from service.http.app import open_service
from service.http.front import Front
from service.settings import Settings
from tests import door, drawing
from tests.server import multipart


@pytest.fixture
def front(models: Path) -> Front:
    return Front(open_service(Settings(models_dir=models, provider="cpu")))


@pytest.mark.parametrize(("waited", "status"), [(0, 200), (60, 429)])
def test_a_request_that_waited_too_long_is_rejected(front: Front, waited: float, status: int) -> None:
    async def after_a_wait(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["state"]["received"] = perf_counter() - waited
        await front(scope, receive, send)

    client = door.client_of(after_a_wait)  # type: ignore[arg-type]
    assert client.post("/predict", data=drawing.png(7), content_type="image/png").status_code == status


def test_only_the_first_large_picture_of_a_batch_may_be_rejected(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that has begun is finished."""
    patient = []
    take = front._turns.take

    async def noted(*arguments: Any, **options: Any) -> Any:
        patient.append((arguments[0], options.get("patient", False)))
        return await take(*arguments, **options)

    monkeypatch.setattr(front._turns, "take", noted)
    large = drawing.encode(drawing.digit(7, side=700, size=500))
    body, headers = multipart([("image", large)] * 3)
    assert door.client_of(front).post("/predict/batch", data=body, headers=headers).status_code == 200
    assert [held for work, held in patient if work == front.here.read_next] == [False, True, True]
