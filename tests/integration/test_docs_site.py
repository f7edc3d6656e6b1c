"""The documentation site in a browser: narrow and wide, light and dark, and its search."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from preloaded import ran

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [path.stem for path in sorted(DOCS.glob("*.md"))]
DESKTOP, PHONE = (1280, 900), (390, 844)
SHARP = 1.5
"""Pixels of a picture for each pixel of a window, at least."""
BLURRED = f"""
    [...document.querySelectorAll("article img")]
        .filter(img => !img.currentSrc.endsWith(".svg"))
        .filter(img => img.naturalWidth < {SHARP} * img.clientWidth || !img.naturalWidth)
        .map(img => `${{img.src}} has ${{img.naturalWidth}} pixels for ${{img.clientWidth}}`)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def site(preloaded_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site, built anew. Warnings are left to `make docs`."""
    folder = tmp_path_factory.mktemp("site")
    code = f"from sphinx.cmd.build import main; raise SystemExit(main(['-Q', {str(DOCS)!r}, {str(folder)!r}]))"
    assert ran(preloaded_python, code, tmp_path_factory.mktemp("sphinx")).returncode == 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def tab(browser: "Browser") -> Iterator["Page"]:
    tab = browser.new_page()
    yield tab
    tab.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_window_and_its_pictures_are_sharp(
    name: str, site: str, tab: "Page"
) -> None:
    tab.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    tab.goto(f"{site}/{name}.html")
    assert tab.evaluate(BLURRED) == []
    for width, height in (DESKTOP, PHONE):
        tab.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_last_column_of_numbers_is_as_narrow_as_its_numbers_on_a_phone(
    site: str, tab: "Page"
) -> None:
    tab.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    tab.goto(f"{site}/benchmarks.html")
    cells = "[...document.querySelectorAll('td:last-child{}')].map(cell => cell.offsetWidth)"
    numbers, texts = (tab.evaluate(cells.format(of)) for of in (".text-right", ":not(.text-right)"))
    assert len(numbers) > 10
    assert max(numbers) < 180 < min(texts)


def test_the_background_follows_the_readers_colour_scheme(site: str, tab: "Page") -> None:
    tab.goto(f"{site}/index.html")
    colours = set()
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        colours.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


@pytest.mark.parametrize(
    ("words", "page"),
    [("threshold", "thresholds"), ("TEI", "remote-servers"), ("int8", "speed-on-cpus")],
)
def test_the_search_finds_the_page(words: str, page: str, site: str, tab: "Page") -> None:
    tab.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    tab.goto(f"{site}/search.html?q={words}")
    found = tab.locator("ul.search > li > a")
    found.locator(f"xpath=self::a[contains(@href, '{page}.html')]").first.wait_for()
