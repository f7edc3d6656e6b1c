"""The HTML report in a browser without a network."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bge_rerank.evaluation.report.write import write_reports
from evaluations import MARKUP, small_evaluation, with_depths, with_texts


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a report whose texts are markup."""
    evaluation = with_texts(with_depths(small_evaluation()), MARKUP)
    return write_reports(evaluation, tmp_path_factory.mktemp("report"))[-1].as_uri()


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, report: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open the report, and check that it loads nothing else and raises no error."""
    page = browser.new_page(offline=True, color_scheme=request.param)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda told: complaints.append(told.text))
    page.goto(report)
    yield page
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [report]
    assert not complaints


def test_the_report_needs_no_network_and_axe_finds_no_fault(page: Page) -> None:
    assert page.title() == "Does reranking help?"
    expect(page.get_by_text(MARKUP).first).to_be_visible()
    for name in ("nDCG@3 by depth", "Latency and quality", f"{MARKUP}0", f"{MARKUP}1"):
        expect(page.get_by_role("img", name=name, exact=True)).to_be_visible()
    complaints = Axe().run(page)
    assert not complaints.response["violations"], complaints.generate_report()


def test_text_and_pictures_contrast_with_the_page(page: Page) -> None:
    colours = page.evaluate(
        """() => {
            const of = (element, name) => getComputedStyle(element)[name];
            const tick = document.querySelector("svg text");
            return [of(document.body, "backgroundColor"), of(document.body, "color"),
                of(tick, "fill"), of(tick, "fontFamily") === of(document.body, "fontFamily")];
        }"""
    )
    ground, ink, tick, same_font = colours
    assert ink == tick != ground
    assert same_font


@pytest.mark.parametrize("width", [320, 1000])
def test_the_page_fits_the_width_of_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    scrolled, seen = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scrolled <= seen
