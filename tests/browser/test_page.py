"""The page: drawing, uploading, answers, errors, undo, keyboard, small screens."""

import base64
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import drawing
from tests.browser.conftest import SEVEN, Visit, answering, holding_the_first, problem
from tests.server import ROOT, Server, running

Open = Callable[..., Visit]

SEVEN_PNG = (ROOT / "docs" / "seven.png").read_bytes()
ONE = [(0.5, 0.2), (0.5, 0.8)]
BLANK = drawing.encode(Image.new("L", (60, 60), 255))


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


def test_upload(visit: Open) -> None:
    page = visit()
    page.choose(SEVEN_PNG)
    page.reads(7)
    assert not page.is_blank()
    page.choose(SEVEN_PNG)  # the same file once more
    page.reads(7)
    page.draw(ONE)  # drawing replaces a picture
    page.reads(1)


def test_paste(visit: Open) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.page.evaluate(
        """async (encoded) => {
            const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
            await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})})]);
        }""",
        base64.b64encode(SEVEN_PNG).decode(),
    )
    page.page.keyboard.press("Control+V")
    page.reads(7)
    page.page.evaluate("navigator.clipboard.writeText('seven')")
    page.page.keyboard.press("Control+V")
    expect(page["status"]).to_have_text("There is no picture in the clipboard.")


def test_drop(visit: Open) -> None:
    page = visit()
    transfer = page.page.evaluate_handle(
        """(encoded) => {
            const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "seven.png", {type: "image/png"}));
            return transfer;
        }""",
        base64.b64encode(SEVEN_PNG).decode(),
    )
    page["read"].dispatch_event("dragover", {"dataTransfer": transfer})
    expect(page.page.locator("body")).to_have_class("over")
    page["read"].dispatch_event("drop", {"dataTransfer": transfer})
    page.reads(7)
    expect(page.page.locator("body")).to_have_class("")


def test_take_a_photo(visit: Open) -> None:
    page = visit()
    page["photograph"].click()
    expect(page["camera"]).to_be_visible()
    page.until("document.getElementById('video').videoWidth > 0")
    tracks = page["video"].evaluate_handle("video => video.srcObject.getTracks()")
    page["take"].click()
    expect(page["camera"]).to_be_hidden()
    page.until("document.getElementById('video').srcObject === null")  # the dialog's `close` event comes a task later
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]
    page.settle()
    assert not page.is_blank()
    page["photograph"].click()
    expect(page["camera"]).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(page["camera"]).to_be_hidden()
    assert not page.is_blank()  # Escape closed only the dialog


def test_a_denied_camera_is_reported(visit: Open) -> None:
    page = visit()
    page.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); }"
    )
    page["photograph"].click()
    assert "upload a picture" in page.refusal()[1]


def test_a_phone_takes_photos_with_its_own_application(visit: Open) -> None:
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 760})
    with page.page.expect_file_chooser() as chooser:
        page["photograph"].click()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files({"name": "photo.png", "mimeType": "image/png", "buffer": SEVEN_PNG})
    page.reads(7)


@pytest.mark.parametrize(
    ("content", "title"),
    [(BLANK, "No digit found"), (b"seven", "Not a picture"), (SEVEN_PNG[:300], "This picture is damaged")],
    ids=["blank", "text", "damaged"],
)
def test_the_services_error_message_is_shown(visit: Open, server: Server, content: bytes, title: str) -> None:
    page = visit()
    page.choose(content)
    sentence = server.request("POST", "/predict", content, content_type="image/png")[1]["error"]
    assert page.refusal() == (title, sentence)
    expect(page["status"]).to_have_text(f"{title}. {sentence}")
    expect(page["again"]).to_be_hidden()
    expect(page["verdict"]).to_be_hidden()
    page["clear"].click()
    expect(page["refusal"]).to_be_hidden()
    expect(page["verdict"]).to_be_visible()


def test_a_dot_is_refused_once_the_pen_is_lifted(visit: Open) -> None:
    page = visit()
    page.page.mouse.move(*page.at(0.5, 0.5))
    page.page.mouse.down()
    page.page.wait_for_timeout(300)
    expect(page["refusal"]).to_be_hidden()
    page.page.mouse.up()
    page.settle()


def test_a_busy_service_is_retried_after_its_delay(visit: Open) -> None:
    page = visit()
    busy = (429, problem("Too many requests: try again later.", "too_busy"), {"Retry-After": "1"})
    with answering(page, busy):
        page.choose(SEVEN_PNG)
        assert page.refusal() == ("Busy just now", "Too many requests: try again later. Trying again in 1 s.")
        page.reads(7)


def test_html_errors_of_a_proxy_are_not_shown(visit: Open) -> None:
    page = visit()
    with answering(page, (502, "<h1>Bad Gateway</h1>", {"Content-Type": "text/html"})):
        page.choose(SEVEN_PNG)
        title, sentence = page.refusal()
        assert title == "No answer"
        assert "502" in sentence
        assert "Gateway" not in sentence
        page["again"].click()
        page.reads(7)


def test_offline_the_page_says_so_and_retries(visit: Open) -> None:
    page = visit()
    page.context.set_offline(True)
    page.draw(SEVEN)
    assert page.refusal() == ("No connection", "The service cannot be reached: check the connection and try again.")
    page.context.set_offline(False)
    page["again"].click()
    page.reads(7)


@pytest.fixture(scope="module")
def not_ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(MODELS_DIR=tmp_path_factory.mktemp("models")) as started:
        started.wait_for("/livez")
        yield started


def test_without_a_model_the_page_opens_and_says_so(visit: Open, not_ready: Server) -> None:
    page = visit(not_ready)
    page.draw(SEVEN)
    title, sentence = page.refusal()
    assert title == "Not ready yet"
    assert "No model" in sentence
    expect(page["again"]).to_be_visible()


@pytest.fixture(scope="module")
def frugal() -> Iterator[Server]:
    with running(MODELS_DIR=ROOT / "models", MAX_UPLOAD_BYTES=30_000) as started:
        started.wait_for("/readyz")
        yield started


def bitmap(side: int) -> bytes:
    return drawing.encode(drawing.digit(7, side=side, size=0.7 * side).convert("RGB"), "BMP")


def test_a_picture_over_the_limit_is_sent_smaller(visit: Open, frugal: Server) -> None:
    page = visit(frugal)
    page.choose(bitmap(300), "digit.bmp", "image/bmp")
    page.reads(7)


def test_a_huge_picture_is_made_smaller_before_it_is_sent(visit: Open, tmp_path: Path) -> None:
    page = visit()
    huge = tmp_path / "huge.bmp"
    assert huge.write_bytes(bitmap(2400)) > 16 << 20
    page.choose(huge)
    page.reads(7)
    kind, content = page.sent(0)
    assert kind == "image/jpeg"
    assert len(content) < 1 << 20


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


def test_the_newest_answer_is_shown_though_an_older_one_comes_later(visit: Open) -> None:
    """Aborting is disabled here, so only the order of the answers counts."""
    page = visit(prepare=lambda context: context.add_init_script("AbortController.prototype.abort = () => {}"))
    with holding_the_first(page) as held:
        page.choose(drawing.png(3))
        expect(page["read"]).to_have_attribute("aria-busy", "true")
        page.choose(SEVEN_PNG)
        page.reads(7)
        with page.page.expect_response("**/predict?*") as late:
            held[0].continue_()
        assert late.value.json()["digit"] == 3
        page.page.wait_for_timeout(200)
        assert page.reads(7)["digit"] == "7"


def test_an_outdated_request_is_cancelled(visit: Open) -> None:
    page = visit()
    with holding_the_first(page):
        page.choose(drawing.png(3))
        expect(page["read"]).to_have_attribute("aria-busy", "true")
        page.choose(SEVEN_PNG)
        page.reads(7)
        assert page.page.evaluate("requests.map(({ signal }) => signal.aborted)") == [True, False]


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
