"""`/predict/number` over HTTP: numbers, the boxes of their digits, skipped marks, errors."""

import base64
import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import Client

from service.http.answering import Service
from service.http.number import reduction
from service.preprocessing.decode import decode
from service.preprocessing.formats import still
from tests import drawing
from tests.server import ROOT


def post(client: Client, picture: Image.Image | bytes, query: str = "") -> Any:
    content = picture if isinstance(picture, bytes) else drawing.encode(picture)
    return client.post(f"/predict/number{query}", data=content, content_type="image/png")


def test_answer(client: Client) -> None:
    response = post(client, drawing.number("40271"))
    answer = response.get_json()
    assert response.status_code == 200, answer
    assert list(answer) == ["number", "certain", "digits", "lines", "skipped", "model"]
    assert (answer["number"], answer["lines"], answer["skipped"]) == ("40271", ["40271"], [])
    assert [digit["digit"] for digit in answer["digits"]] == [4, 0, 2, 7, 1]
    assert list(answer["digits"][0]) == ["digit", "confidence", "certain", "probabilities", "box"]
    assert answer["model"] == {"name": "mnist-dmlp", "version": "1"}


def test_boxes_are_where_the_ink_is(client: Client) -> None:
    picture = drawing.number("583")
    ink = np.asarray(picture) < 128
    columns = np.flatnonzero(np.diff(np.pad(ink.any(axis=0), 1).astype(int)))
    boxes = [digit["box"] for digit in post(client, picture).get_json()["digits"]]
    for (left, top, width, height), first, end in zip(boxes, columns[::2], columns[1::2], strict=True):
        assert (left, left + width) == pytest.approx((first, end), abs=3)
        rows = np.flatnonzero(ink[:, first:end].any(axis=1))
        assert (top, top + height) == pytest.approx((rows[0], rows[-1] + 1), abs=3)


def test_boxes_are_in_pixels_of_the_picture_as_sent_and_upright(client: Client) -> None:
    picture = drawing.number("83", size=70).resize((960, 640))
    plain = post(client, picture).get_json()["digits"]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    stored = drawing.encode(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    turned = client.post("/predict/number", data=stored, content_type="image/jpeg").get_json()["digits"]
    large = post(client, picture.resize((1000 * 960 // 400, 1000 * 640 // 400))).get_json()["digits"]
    for one, other, larger in zip(plain, turned, large, strict=True):
        assert other["box"] == pytest.approx(one["box"], abs=6)
        assert larger["box"] == pytest.approx([2.5 * side for side in one["box"]], abs=15)


@pytest.mark.parametrize("size", [(4000, 3000), (4001, 2999), (1801, 900)])
def test_reduction_is_the_scale_of_decoding(size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG"):
        content = drawing.encode(Image.new("L", size, 200), kind)
        grey = decode(content, max_pixels=100_000_000)
        assert reduction(still(content), grey) * grey.shape[1] == pytest.approx(size[0], rel=0.01)


def test_lines_from_top_to_bottom(client: Client) -> None:
    answer = post(client, drawing.number("4027", "158", "36")).get_json()
    assert (answer["lines"], answer["number"]) == (["4027", "158", "36"], "402715836")
    tops = [digit["box"][1] for digit in answer["digits"]]
    assert max(tops[:4]) < min(tops[4:7]) <= max(tops[4:7]) < min(tops[7:])


@pytest.mark.parametrize("character", [",", "-"])
def test_skipped_marks_are_listed(client: Client, character: str) -> None:
    answer = post(client, drawing.number(f"48{character}52")).get_json()
    assert answer["number"] == "4852"
    [skipped] = answer["skipped"]
    left, width = answer["digits"][2]["box"][0], answer["digits"][1]["box"][2]
    assert answer["digits"][1]["box"][0] + width / 2 < skipped["box"][0] < left


def test_options(client: Client) -> None:
    answer = post(client, drawing.number("407"), "?seen=true&top_k=2").get_json()
    for digit in answer["digits"]:
        assert Image.open(BytesIO(base64.b64decode(digit["seen"]))).size == (28, 28)
        assert len(digit["top_k"]) == 2


def test_as_a_form_and_as_json(client: Client) -> None:
    content = drawing.encode(drawing.number("29"))
    form = client.post("/predict/number", data={"image": (BytesIO(content), "a.png")})
    json = client.post("/predict/number", json={"image": base64.b64encode(content).decode()})
    assert [response.get_json()["number"] for response in (form, json)] == ["29", "29"]


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (Image.new("L", (300, 200), 255), "no_digit"),
        (drawing.number(*["7" * 11] * 3, size=40), "too_many_digits"),
        (drawing.number(*["7" * 25] * 20, size=30), "too_many_digits"),
    ],
    ids=["blank", "33", "500"],
)
def test_refusals(client: Client, picture: Image.Image, code: str) -> None:
    response = post(client, picture)
    assert (response.status_code, response.get_json()["code"]) == (422, code)
    assert set(response.get_json()) == {"error", "code"}


def test_32_digits_are_read(client: Client) -> None:
    lines = ["7046" * 2] * 4
    assert post(client, drawing.number(*lines, size=40)).get_json()["lines"] == lines


def test_candidates_are_one_run_but_only_answers_are_counted(
    here: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.store.serving
    engine = here.store.serving.engine
    sizes, run = [], engine.run
    monkeypatch.setattr(engine, "run", lambda images: sizes.append(len(images)) or run(images))
    post(client, drawing.number("40271"))
    assert len(sizes) == 1
    text = client.get("/metrics").text
    counts = {name: float(count) for name, count in re.findall(r"^(digits_[^ ]+) (\S+)$", text, re.MULTILINE)}
    assert sum(count for name, count in counts.items() if name.startswith("digits_number_digits_sum")) == 5
    assert sum(count for name, count in counts.items() if name.startswith("digits_predictions_total")) == 5
    assert counts["digits_batch_pictures_sum"] == sizes[0]


def test_predict_names_the_route(client: Client) -> None:
    response = client.post("/predict", data=drawing.encode(drawing.number("40271")), content_type="image/png")
    assert response.get_json()["code"] == "several_digits"
    assert "/predict/number" in response.get_json()["error"]


def test_one_digit_is_a_number(client: Client) -> None:
    assert post(client, (ROOT / "docs" / "seven.png").read_bytes()).get_json()["number"] == "7"
