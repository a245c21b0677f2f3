"""Corrections on the page: "Wrong? It is a ...", and the messages about what is stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from service.contract import Correction
from service.http.corrections import Corrections
from tests.browser.conftest import SEVEN, Open
from tests.server import ROOT, Server, serving

ONE = [(0.5, 0.2), (0.5, 0.8)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def teachable(directory: Path) -> Iterator[Server]:
    with serving(MODELS_DIR=ROOT / "models", CORRECTIONS_DIR=directory, CORRECTIONS_MAX=2) as started:
        yield started


def kept(directory: Path) -> list[Correction]:
    return [found for _, found in Corrections(directory, 2, 1 << 20).listed() if isinstance(found, Correction)]


def test_a_correction_keeps_exactly_the_answered_picture(visit: Open, teachable: Server, directory: Path) -> None:
    page = visit(teachable)
    expect(page["correct"]).to_be_hidden()  # nothing to correct yet
    assert "Only a picture that you correct is kept" in page.page.locator("footer").inner_text()
    page.draw(SEVEN)
    page.reads(7)
    expect(page["correct-text"]).to_have_text("The picture is then kept, to teach the model.")
    _, asked = page.sent()
    buttons = page["right-digits"].get_by_role("button")
    assert buttons.all_inner_texts() == list("0123456789")
    buttons.nth(1).click()
    expect(page["correct-text"]).to_have_text("Kept as a 1. Thank you.")
    expect(buttons.nth(1)).to_have_attribute("aria-pressed", "true")
    [found] = kept(directory)
    assert (found.digit, found.read, found.image) == (1, 7, asked)
    buttons.nth(7).click()  # a mistake, corrected
    expect(page["correct-text"]).to_have_text("Kept as a 7. Thank you.")
    assert [found.digit for found in kept(directory)] == [7]
    page["clear"].click()
    expect(page["correct"]).to_be_hidden()
    page.draw(ONE)
    page.reads(1)
    expect(page["correct-text"]).to_have_text("The picture is then kept, to teach the model.")
    assert buttons.evaluate_all("all => all.map(one => one.ariaPressed)") == ["false"] * 10


def test_the_page_says_why_nothing_was_kept(visit: Open, teachable: Server, directory: Path) -> None:
    page = visit(teachable)
    for count, points in enumerate((SEVEN, ONE, [(0.3, 0.3), (0.5, 0.7)]), start=1):
        if count > 1:
            page["clear"].click()
        page.draw(points)
        expect(page["correct"]).to_be_visible()
        page.settle()
        page["right-digits"].get_by_role("button").nth(1).click()
        said = "Kept as a 1. Thank you." if count <= 2 else "No more corrections are kept"
        expect(page["correct-text"]).to_contain_text(said)
    expect(page["right-digits"].get_by_role("button").nth(1)).to_have_attribute("aria-pressed", "false")
    assert len(kept(directory)) == 2


def test_without_the_setting_the_page_does_not_ask(visit: Open) -> None:
    page = visit()
    page.draw(SEVEN)
    page.reads(7)
    expect(page["correct"]).to_be_hidden()
    assert page.page.locator("footer").inner_text().startswith("Nothing that you write or send is kept.")


def test_on_a_phone_the_buttons_fit(visit: Open, teachable: Server) -> None:
    page = visit(teachable, viewport={"width": 360, "height": 740})
    page.draw(SEVEN)
    page.reads(7)
    boxes = (
        page["right-digits"]
        .get_by_role("button")
        .evaluate_all("all => all.map(one => [one.getBoundingClientRect().right, one.offsetWidth])")
    )
    assert max(right for right, _ in boxes) <= 360
    assert min(width for _, width in boxes) >= 24  # WCAG 2.2, 2.5.8
