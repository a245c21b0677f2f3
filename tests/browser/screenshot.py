"""Take the README's screenshot of the page: `python -m tests.browser.screenshot`."""

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, Visit
from tests.server import ROOT, serving

TWO = [(0.3, 0.33), (0.36, 0.24), (0.47, 0.2), (0.59, 0.22), (0.66, 0.31), (0.65, 0.42), (0.58, 0.53)]
TWO += [(0.48, 0.64), (0.38, 0.73), (0.3, 0.79), (0.42, 0.785), (0.56, 0.78), (0.73, 0.77)]


def main() -> None:
    """Write docs/page.png."""
    with serving(MODELS_DIR=ROOT / "models") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1120, "height": 740})
        visit = Visit(context, f"http://127.0.0.1:{server.port}/")
        visit.draw(TWO, steps=1)  # the page smooths the curve
        visit.reads(2)
        visit.page.mouse.move(0, 0)
        visit.page.wait_for_timeout(300)  # the bars grow
        visit.page.screenshot(path=ROOT / "docs" / "page.png")
        browser.close()


if __name__ == "__main__":
    main()
