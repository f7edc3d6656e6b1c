"""Debian's Chromium, headless and driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PATH = shutil.which("chromium")
"""The path of Chromium, or `None` if it is not installed. Playwright never downloads a browser in the tests."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser during the block."""
    assert PATH is not None, "`chromium` is not installed; apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH)
        try:
            yield browser
        finally:
            browser.close()
