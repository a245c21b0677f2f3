"""A service with API keys in Chromium: the key is the password, and all pages work with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, HttpCredentials, expect

from tests.server import ROOT, Server, serving

KEY = "a-key-of-enough-letters"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file: Path = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"another-key-0123456\n{KEY}\n")
    with serving(MODELS_DIR=ROOT / "models", API_KEY_FILE=file) as started:
        yield started


def test_with_the_key_every_page_works_in_chromium(browser: Browser, closed: Server) -> None:
    context = browser.new_context(http_credentials=HttpCredentials(username="anybody", password=KEY))
    page, address = context.new_page(), f"http://127.0.0.1:{closed.port}"
    for path in ("/", "/metrics", "/docs"):
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.status == 200, path
    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)
    page.goto(address)
    with page.expect_file_chooser() as chooser:
        page.locator("#upload").click()
    chooser.value.set_files(ROOT / "docs" / "seven.png")
    expect(page.locator("#digit")).to_have_text("7", timeout=10_000)
    context.close()


def test_a_wrong_password_is_rejected(browser: Browser, closed: Server) -> None:
    context = browser.new_context(http_credentials=HttpCredentials(username="anybody", password="no-key-of-theirs"))
    answer = context.new_page().goto(f"http://127.0.0.1:{closed.port}/")
    assert answer is not None
    assert answer.status == 401
    context.close()


def test_without_a_key_chromium_asks_for_one(browser: Browser, closed: Server) -> None:
    context = browser.new_context()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):  # it asked for a password
        context.new_page().goto(f"http://127.0.0.1:{closed.port}/")
    context.close()
