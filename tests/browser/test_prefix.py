"""The pages below a path prefix in Chromium, behind a proxy that strips the prefix and one that does not."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.server import ROOT, Server, serving

PREFIX = "/ml/digits"


@pytest.fixture(scope="module")
def below() -> Iterator[Server]:
    with serving(MODELS_DIR=ROOT / "models", TRUSTED_PROXIES=1) as started:
        yield started


@pytest.fixture(params=[True, False], ids=["stripped", "kept"])
def proxy(request: pytest.FixtureRequest, below: Server) -> Iterator[str]:
    """The address of a proxy that forwards only requests below the prefix."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None: ...

        def do_GET(self) -> None:
            if not self.path.startswith(PREFIX):
                return self.send_error(404, "not below the prefix")
            path = (self.path[len(PREFIX) :] or "/") if request.param else self.path
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with closing(http.client.HTTPConnection("127.0.0.1", below.port, timeout=10)) as asked:
                asked.request(self.command, path, body, {**dict(self.headers.items()), "X-Forwarded-Prefix": PREFIX})
                answer = asked.getresponse()
                content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            return None

        do_POST = do_GET  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("address", [PREFIX, f"{PREFIX}/"])
def test_the_page_the_docs_and_their_links_work(browser: Browser, proxy: str, address: str) -> None:
    page = browser.new_page()
    seen: list[str] = []
    page.on("request", lambda sent: None if sent.url.startswith((proxy + PREFIX, "data:")) else seen.append(sent.url))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto(proxy + address)
    with page.expect_file_chooser() as chooser:
        page.locator("#upload").click()
    chooser.value.set_files(ROOT / "docs" / "seven.png")
    expect(page.locator("#digit")).to_have_text("7", timeout=10_000)
    page.get_by_role("link", name="API").click()
    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)
    page.locator("#operations-operations-readyz .opblock-summary").click()
    page.locator("#operations-operations-readyz").get_by_role("button", name="Try it out").click()
    page.locator("#operations-operations-readyz").get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text('"status": "ready"', timeout=10_000)
    assert page.url.startswith(f"{proxy}{PREFIX}/docs")
    page.get_by_role("link", name="Write a digit").click()
    expect(page.locator("#pad")).to_be_visible()
    assert [url for url in seen if not url.startswith((proxy + PREFIX, "data:", "blob:"))] == []
    page.context.close()
