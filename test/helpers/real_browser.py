"""A real headless browser."""

import shutil
from contextlib import contextmanager

import pytest
from patience import PATIENCE

_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

needs_browser = pytest.mark.skipif(
    _CHROMIUM is None, reason="needs a browser: apt-get install chromium"
)


@contextmanager
def open_page(address):
    """A page of the browser; errors in its scripts fail the test."""
    playwright = pytest.importorskip("playwright.sync_api")
    errors = []
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert errors == []
