"""The API documentation in Chromium: what it shows, and that its requests can be tried."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.server import ROOT, Server

_PATIENCE = 30_000  # milliseconds


@pytest.fixture
def docs(visit: Open) -> Page:
    """The page, opened by its link; `visit` checks for errors and requests to other hosts."""
    page = visit().page
    page.set_default_timeout(_PATIENCE)  # Swagger UI is some megabyte of JavaScript
    page.get_by_role("link", name="API").click()
    expect(page.locator(".opblock").first).to_be_visible(timeout=_PATIENCE)
    return page


def test_every_operation_is_shown(docs: Page, server: Server) -> None:
    _, document = server.request("GET", "/openapi.json")
    named = {
        operation["operationId"]: path for path, methods in document["paths"].items() for operation in methods.values()
    }
    expect(docs.locator(".opblock")).to_have_count(len(named))
    for name, path in named.items():
        shown = docs.locator(f"[id$='-{name}'] .opblock-summary-path")
        assert shown.inner_text().replace("\u200b", "") == path
    assert "too_busy" in docs.locator(".info").inner_text()


def test_a_picture_can_be_tried(docs: Page) -> None:
    operation = docs.locator("#operations-predict-predict")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("input[type=file]").set_input_files(ROOT / "docs" / "seven.png")
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer).to_contain_text('"digit": 7', timeout=_PATIENCE)
    expect(answer).to_contain_text("x-request-id")
