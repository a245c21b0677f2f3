"""Numbers on the page: boxes over the picture, and the probabilities of each digit."""

import pytest
from playwright.sync_api import expect

from tests import drawing
from tests.browser.conftest import Open

SEVEN = [(0.0, 0.0), (1.0, 0.0), (0.7, 0.45), (0.35, 1.0)]
ONE = [(0.5, 0.0), (0.5, 1.0)]


def at(points: list[tuple[float, float]], left: float) -> list[tuple[float, float]]:
    """Return the points of a digit in a box at `left` of the paper."""
    return [(left + 0.12 * x, 0.35 + 0.22 * y) for x, y in points]


def test_write_a_number(visit: Open) -> None:
    page = visit()
    page["number"].click()
    for points, left in ((SEVEN, 0.15), (ONE, 0.4), (SEVEN, 0.65)):
        page.draw(at(points, left))
    expect(page["digit"]).to_have_text("717")
    page.settle()
    labels = page["boxes"].locator("button")
    assert labels.all_inner_texts() == ["7", "1", "7"]
    for label, left in zip(labels.all(), (0.15, 0.4, 0.65), strict=True):
        box = label.bounding_box()
        assert box
        x, _ = page.at(left + 0.06, 0)
        assert box["x"] + box["width"] / 2 == pytest.approx(x, abs=20)


def test_a_tap_on_a_digit_shows_its_probabilities(visit: Open) -> None:
    page = visit()
    page["number"].click()
    page.choose(drawing.encode(drawing.number("407")))
    expect(page["digit"]).to_have_text("407")
    page.settle()
    for index, digit in enumerate("407"):
        page["boxes"].locator("button").nth(index).click()
        expect(page["confidence"]).to_contain_text(f"Digit {index + 1} of 3 is a {digit}")
        expect(page["bars"].locator("li.winner .name")).to_have_text(digit)
    frame = page["boxes"].locator("span").first.bounding_box()
    assert frame
    page.page.mouse.click(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    expect(page["confidence"]).to_contain_text("Digit 1 of 3 is a 4")
    assert not page.is_blank()


def test_back_to_one_digit(visit: Open) -> None:
    page = visit()
    page.choose(drawing.encode(drawing.number("407")))
    title, text = page.refusal()
    assert title == "More than one digit"
    assert text.endswith(f"choose “{page['number'].inner_text()}” above.")
    page["number"].click()
    expect(page["digit"]).to_have_text("407")
    page["one"].click()
    assert page.refusal()[0] == "More than one digit"
    expect(page["boxes"].locator("button")).to_have_count(0)


def test_a_picture_without_digits_is_reported(visit: Open) -> None:
    page = visit()
    page["number"].click()
    page.choose(drawing.encode(drawing.digit(1, ink=255)))
    assert page.refusal()[0] == "No digit found"
