"""Errors, retries, and answers that come late."""

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import drawing
from tests.browser.conftest import SEVEN, Open, answering, holding_the_first, problem
from tests.browser.test_page import SEVEN_PNG
from tests.server import Server, running

BLANK = drawing.encode(Image.new("L", (60, 60), 255))


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


BAR = [(0.38, 0.22), (0.66, 0.2)]
REST_OF_FIVE = [(0.38, 0.22), (0.36, 0.45), (0.5, 0.42), (0.62, 0.52), (0.64, 0.65), (0.55, 0.77), (0.4, 0.78)]


def test_between_two_strokes_of_a_digit_nothing_is_refused(visit: Open) -> None:
    page = visit()
    page.page.evaluate("""() => {
        window.refused = false;
        new MutationObserver(() => { refused ||= !refusal.hidden; }).observe(refusal, { attributes: true });
    }""")
    page.draw(BAR)
    page.page.wait_for_timeout(400)
    page.draw(REST_OF_FIVE)
    page.reads(5)
    assert not page.page.evaluate("refused")


def test_a_stroke_that_stays_alone_is_refused(visit: Open) -> None:
    page = visit()
    page.draw(BAR)
    assert page.refusal()[0] == "No digit found"
    page["undo"].click()
    expect(page["refusal"]).to_be_hidden()


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
