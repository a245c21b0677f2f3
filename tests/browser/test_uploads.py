"""Pictures from a file, the clipboard, a drop or a camera, and those that are too large."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import drawing
from tests.browser.conftest import Open
from tests.browser.test_page import ONE, SEVEN_PNG
from tests.server import ROOT, Server, serving


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


@pytest.fixture(scope="module")
def frugal() -> Iterator[Server]:
    with serving(MODELS_DIR=ROOT / "models", MAX_UPLOAD_BYTES=30_000) as started:
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
