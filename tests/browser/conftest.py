"""Chromium on the real service with the published model; console errors and requests to other hosts fail a test."""

import base64
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, expect, sync_playwright

from tests.server import ROOT, Server, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",  # root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
SEVEN = [(0.3, 0.25), (0.7, 0.24), (0.66, 0.36), (0.55, 0.56), (0.46, 0.8)]
_WAIT = 5000  # milliseconds; the machine may be busy
# Playwright cannot read a Blob that is sent, so the page records its requests.
_RECORD_REQUESTS = """
window.requests = [];
const plain = fetch;
window.fetch = (address, options) => {
    requests.push(options);
    return plain(address, options);
};
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="no Chromium on the PATH: apt-get install chromium")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(missing)


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with serving(MODELS_DIR=ROOT / "models") as started:
        yield started


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


class Visit:
    """An open page."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_WAIT)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", lambda request: self._asked(request.url, address))
        self.page.goto(address)

    def _heard(self, message: ConsoleMessage) -> None:
        # Chromium logs error answers, which the page shows to the user.
        refusal = message.text.startswith("Failed to load resource") and (
            re.search(r"/(predict|predict/number|corrections)\?", message.location["url"])
            or message.text.endswith("ERR_INTERNET_DISCONNECTED")
        )
        ours = message.text.startswith("Canvas2D: Multiple readback")  # the tests read pixels
        if message.type in ("error", "warning") and not refusal and not ours:
            self.complaints.append(message.text)

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:image/png;base64,")):
            self.complaints.append(f"asked for {url}")

    def __getitem__(self, id: str) -> Locator:
        return self.page.locator(f"#{id}")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the paper, from 0 to 1, is on the screen."""
        box = self["pad"].bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def draw(self, points: list[tuple[float, float]], *, lift: bool = True, steps: int = 2) -> None:
        """Draw one stroke with the mouse, in so many steps from point to point."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        if lift:
            self.page.mouse.up()

    def choose(self, content: bytes | Path, name: str = "digit.png", mimetype: str = "image/png") -> None:
        """Choose a file with the button, by its content or its path (faster for large ones)."""
        with self.page.expect_file_chooser() as chooser:
            self["upload"].click()
        by_path = isinstance(content, Path)
        chooser.value.set_files(content if by_path else {"name": name, "mimeType": mimetype, "buffer": content})

    def reads(self, digit: int) -> dict[str, str]:
        """Wait until the page shows that digit, settled, and return its texts."""
        expect(self["digit"]).to_have_text(str(digit), timeout=_WAIT)
        self.settle()
        return {name: self[name].inner_text() for name in ("digit", "sure", "confidence", "facts")}

    def refusal(self) -> tuple[str, str]:
        """Wait for an error message while no request is pending; return its title and text."""
        self["refusal"].wait_for()
        self.settle()
        return self["refusal-title"].inner_text(), self["refusal-text"].inner_text()

    def settle(self) -> None:
        """Wait until no request is pending."""
        expect(self["read"]).to_have_attribute("aria-busy", "false", timeout=_WAIT)

    def until(self, condition: str) -> None:
        """Wait until a condition holds. Playwright's own `wait_for_function` needs `eval`, which the policy forbids."""
        deadline = time.monotonic() + _WAIT / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(20)

    def sent(self, index: int = -1) -> tuple[str, bytes]:
        """Return the content type and the bytes of a request."""
        script = """async (index) => {
            const { body } = requests.at(index);
            const bytes = new Uint8Array(await body.arrayBuffer());
            return [body.type, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))];
        }"""
        kind, content = self.page.evaluate(script, index)
        return kind, base64.b64decode(content)

    def is_blank(self) -> bool:
        """Whether there is no ink on the paper."""
        script = "pad => pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data.every(byte => byte === 0)"
        return bool(self["pad"].evaluate(script))


#: Opens the page: `visit`.
Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Visit]]:
    """Open the page in a new browser context with these options.

    At the end no error may have been logged and no other host contacted.
    """
    opened = []

    def opens(host: Server = server, prepare: Callable[[BrowserContext], object] = id, **options: Any) -> Visit:
        context = browser.new_context(**options)
        context.add_init_script(_RECORD_REQUESTS)
        prepare(context)
        opened.append(Visit(context, f"http://127.0.0.1:{host.port}/"))
        return opened[-1]

    yield opens
    for one in opened:
        one.context.close()
    assert [one.complaints for one in opened] == [[]] * len(opened)


@contextmanager
def answering(visit: Visit, *answers: tuple[int, str, dict[str, str]]) -> Iterator[None]:
    """Answer the next requests with these (status, body, headers); let later ones pass."""
    waiting = list(answers)

    def handle(route: Route) -> None:
        if waiting:
            status, body, headers = waiting.pop(0)
            route.fulfill(status=status, body=body, headers=headers)
        else:
            route.continue_()

    visit.page.route("**/predict?*", handle)
    yield
    assert waiting == []


@contextmanager
def holding_the_first(visit: Visit) -> Iterator[list[Route]]:
    """Hold the first request until the route in the list is continued; the others pass."""
    held: list[Route] = []

    def handle(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    visit.page.route("**/predict?*", handle)
    yield held


def problem(message: str, code: str) -> str:
    """Return an error in the service's shape."""
    return json.dumps({"error": message, "code": code})
