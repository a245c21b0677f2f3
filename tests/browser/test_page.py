"""The page: drawing, answers, undo, keyboard, small screens."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import drawing
from tests.browser.conftest import SEVEN, Open
from tests.server import ROOT

SEVEN_PNG = (ROOT / "docs" / "seven.png").read_bytes()
ONE = [(0.5, 0.2), (0.5, 0.8)]


def test_draw_a_seven_and_read_seven(visit: Open) -> None:
    page = visit()
    page.draw(SEVEN)
    texts = page.reads(7)
    assert texts["sure"] == "Certain"
    assert texts["confidence"].endswith("% sure")
    assert re.fullmatch(r"mnist-dmlp version \d+, answered in \d+ ms", texts["facts"])
    expect(page["status"]).to_have_text("7, certain.")
    assert page["seen"].evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]


def test_each_digit_has_a_bar_and_its_probability_in_words(visit: Open) -> None:
    page = visit()
    with page.page.expect_response("**/predict?*") as response:
        page.choose(drawing.png(3))
    probabilities = response.value.json()["probabilities"]
    page.reads(3)
    rows = page["bars"].locator("li")
    assert rows.locator(".name").all_inner_texts() == list("0123456789")
    for probability, text in zip(probabilities, rows.locator(".value").all_inner_texts(), strict=True):
        assert float(text.strip("<> %")) == pytest.approx(100 * probability, abs=0.11)
    page.page.wait_for_timeout(250)  # the bars grow
    shown = rows.evaluate_all(
        "rows => rows.map(row => row.querySelector('.fill').offsetWidth / row.children[1].offsetWidth)"
    )
    assert shown == pytest.approx(probabilities, abs=0.02)


def test_answers_while_the_pen_is_down(visit: Open) -> None:
    page = visit()
    page.draw(SEVEN, lift=False)
    page.reads(7)
    expect(page["status"]).to_have_text("")  # screen readers hear only the final answer
    page.page.mouse.up()
    expect(page["status"]).to_have_text("7, certain.")


def test_draw_with_a_finger(visit: Open) -> None:
    page = visit(has_touch=True)
    devtools = page.context.new_cdp_session(page.page)
    points = [dict(zip("xy", page.at(*point), strict=True)) for point in SEVEN]
    devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [points[0]]})
    for point in points[1:]:
        devtools.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.reads(7)
    assert page.page.evaluate("scrollY") == 0


def test_a_pen_draws_by_its_pressure(visit: Open) -> None:
    page = visit()
    devtools = page.context.new_cdp_session(page.page)

    def line(x: float, force: float) -> None:
        for kind, y in (("mousePressed", 0.2), ("mouseMoved", 0.5), ("mouseMoved", 0.8), ("mouseReleased", 0.8)):
            event = {"type": kind, "button": "left", "buttons": 1, "pointerType": "pen", "force": force}
            left, top = page.at(x, y)
            devtools.send("Input.dispatchMouseEvent", {**event, "x": left, "y": top})

    line(0.3, 0.1)
    line(0.7, 0.9)
    thin, thick = page["pad"].evaluate(
        """pad => [0, 1].map(half => {
            const row = pad.getContext("2d").getImageData(half * pad.width / 2, pad.height / 2, pad.width / 2, 1).data;
            return row.filter((byte, index) => index % 4 === 3 && byte > 127).length;
        })"""
    )
    assert 0 < thin < 0.7 * thick
    page.settle()


def test_undo_while_drawing_takes_back_that_stroke_alone(visit: Open) -> None:
    page = visit()
    page.draw(ONE)
    page.reads(1)
    page.draw([(0.2, 0.2), (0.8, 0.3)], lift=False)
    page.page.keyboard.press("Control+Z")
    page.page.mouse.up()
    assert page.reads(1)["sure"] == "Certain"
    page.page.keyboard.press("Control+Z")
    assert page.is_blank()


def test_a_button_other_than_the_first_draws_nothing(visit: Open) -> None:
    page = visit()
    page.page.mouse.move(*page.at(0.3, 0.3))
    page.page.mouse.down(button="right")
    page.page.mouse.move(*page.at(0.6, 0.6))
    page.page.mouse.up(button="right")
    assert page.is_blank()


def test_clear_undo_and_redo(visit: Open) -> None:
    page = visit()
    expect(page["undo"]).to_have_attribute("aria-disabled", "true")
    page.draw(ONE)
    page.reads(1)
    page["clear"].click()
    assert page.is_blank()
    assert page["digit"].inner_text() == ""
    expect(page["hint"]).to_be_visible()
    page["undo"].click()
    page.reads(1)
    page.page.keyboard.press("Control+Z")
    assert page.is_blank()
    expect(page["undo"]).to_have_attribute("aria-disabled", "true")
    page["redo"].click()
    page.reads(1)
    page.page.keyboard.press("Control+Y")
    assert page.is_blank()
    page.page.keyboard.press("Control+Z")
    page.choose(SEVEN_PNG)
    page.reads(7)
    page.page.keyboard.press("Control+Z")
    page.reads(1)
    page.page.keyboard.press("Control+Shift+Z")
    page.reads(7)
    page.page.keyboard.press("Escape")
    assert page.is_blank()


def test_by_keyboard_alone(visit: Open) -> None:
    page = visit()
    press = page.page.keyboard.press
    for focused in ("one", "number", "pad"):
        press("Tab")
        expect(page[focused]).to_be_focused()
    for key in 5 * ["ArrowLeft"] + ["Space"]:
        press(key)
    expect(page["status"]).to_have_text("Pen down.")
    for key in 10 * ["ArrowRight"] + 6 * ["ArrowDown", "ArrowDown", "ArrowLeft"] + ["Space"]:
        press(key)
    page.reads(7)
    expect(page["status"]).to_have_text("7, certain.")
    reached = []
    for _ in range(5):
        press("Tab")
        reached.append(page.page.evaluate("document.activeElement.id"))
        assert page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["undo", "redo", "clear", "upload", "photograph"]
    page["undo"].focus()
    press("Enter")
    expect(page["undo"]).to_be_focused()  # although there is nothing left to undo
    assert page["digit"].inner_text() == ""
    press("Tab")
    press("Space")
    page.reads(7)
    with page.page.expect_file_chooser():
        page["upload"].focus()
        press("Enter")


@pytest.mark.parametrize("width", [320, 390, 768, 900])
def test_narrow_screens_do_not_scroll_sideways(visit: Open, width: int) -> None:
    page = visit(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)

    def fits() -> bool:
        return bool(page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    assert fits()
    tops = page.page.locator(".write .tools button").evaluate_all("all => all.map(one => one.offsetTop)")
    assert len(set(tops)) == 1  # one row of tools
    page.draw(SEVEN)
    page.reads(7)
    assert fits()
    box = page["digit"].bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 700  # the answer is visible while drawing
    page.choose(b"seven", "a-very-long-file-name-" * 8)
    page.refusal()
    assert fits()


CONTRASTS = """() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = parse(getComputedStyle(element).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
    };
    const texts = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() &&
        [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
    return texts.map((element) => {
        const [low, high] = [getComputedStyle(element).color, null].map((colour) =>
            luminance(colour ? parse(colour) : behind(element))).sort((a, b) => a - b);
        return [element.id || element.className || element.tagName, (high + 0.05) / (low + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast_in_light_and_dark(visit: Open, scheme: str) -> None:
    """At least 4.5 to 1 (WCAG 2.2, 1.4.3 Contrast, level AA)."""
    page = visit(color_scheme=scheme)
    paper = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) > 127) == (scheme == "light")
    found = page.page.evaluate(CONTRASTS)
    page.draw(SEVEN)
    page.reads(7)
    found += page.page.evaluate(CONTRASTS)
    page.choose(b"seven")
    page.refusal()
    found += page.page.evaluate(CONTRASTS)
    assert {"digit", "sure", "refusal-title", "name", "facts"} <= {name for name, _ in found}
    assert [(name, ratio) for name, ratio in found if ratio < 4.5] == []


def test_a_drawing_is_sent_black_on_white_in_any_theme_and_at_any_density(visit: Open) -> None:
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark", "device_scale_factor": 3}):
        page = visit(**options)
        page.draw(ONE)
        page.reads(1)
        grey = np.asarray(Image.open(BytesIO(page.sent()[1])).convert("L"))
        assert grey.shape == (280, 280)
        assert (grey[0, 0], grey[140, 140]) == (255, 0)


def test_the_policy_is_in_force(visit: Open) -> None:
    page = visit()
    page.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'overrun'";
            document.head.append(script);
        }"""
    )
    assert page.page.title() == "Digits"
    assert len(page.complaints) == 1
    assert "Content Security Policy" in page.complaints.pop()
