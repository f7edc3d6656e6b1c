"""Debian's Chromium without a window, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PATH = shutil.which("chromium")
"""`None` where it is not installed. Playwright is never let download a browser of its own."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the browser; it has ended when the block has."""
    assert PATH is not None, "there is no `chromium` (apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH)
        try:
            yield browser
        finally:
            browser.close()
