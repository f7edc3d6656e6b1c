"""The server's page in a browser, used as a person would."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from bge_rerank import load_scorer
from conftest import PASSAGES, QUERY
from counted_scorer import Counted
from served import serving

SCHEMES = ["light", "dark"]


@pytest.fixture(scope="module")
def mini() -> Iterator[str]:
    with serving(load_scorer("mini").loaded()) as url:
        yield url


@pytest.fixture(scope="module")
def lengths() -> Iterator[str]:
    """A server whose logits are the lengths of the passages."""
    with serving(Counted(), limits={"max_texts": 5, "max_characters": 10_000}) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that has asked nobody but its own server, kept its policy and raised nothing."""
    page = browser.new_page()
    asked: set[str] = set()
    complaints: list[str] = []
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda told: complaints.append(told.text))
    yield page
    own = urlsplit(page.url).netloc
    page.close()
    assert asked == {own}
    # Chromium notes each answer that is an error; these are asked for here.
    assert not [text for text in complaints if not text.startswith("Failed to load resource")]


def fill(page: Page, query: str, passages: str) -> None:
    page.get_by_label("Query").fill(query)
    page.get_by_label("Passages").fill(passages)


def rank(page: Page, query: str, passages: str) -> list[list[str]]:
    """Return what each row of the ranking shows."""
    fill(page, query, passages)
    page.get_by_role("button", name="Rank").click()
    ranked(page)
    return [row.inner_text().splitlines() for row in rows(page).all()]


def ranked(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d+ passages? in \d+ ms$"))
    expect(page.get_by_role("list", name="Ranking")).to_have_attribute("aria-busy", "false")


def failed(page: Page, message: str) -> None:
    expect(page.get_by_role("status")).to_have_text(f"Not ranked: {message}")
    expect(page.get_by_role("status")).to_have_class("failed")
    expect(rows(page)).to_have_count(0)


def rows(page: Page) -> Locator:
    return page.get_by_role("list", name="Ranking").get_by_role("listitem")


def test_the_keyboard_alone_ranks_and_the_scores_are_the_servers(page: Page, mini: str) -> None:
    page.goto(mini)
    expect(page.get_by_label("Query")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(QUERY)
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    for passage in PASSAGES:
        page.keyboard.type(passage)
        page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    ranked(page)
    answer = httpx.post(f"{mini}/rerank", json={"query": QUERY, "texts": PASSAGES}).json()
    for place, (expected, row) in enumerate(zip(answer, rows(page).all(), strict=True)):
        shown = row.inner_text().splitlines()
        assert shown[0] == str(place + 1)
        assert shown[2] == PASSAGES[expected["index"]]
        assert shown[3] == f"score {expected['score']:.4f}"
        assert shown[5] == f"passage {expected['index'] + 1}"


def test_enter_in_the_query_ranks(page: Page, lengths: str) -> None:
    page.goto(lengths)
    page.get_by_label("Query").press("Enter")
    ranked(page)


def test_a_row_shows_its_rank_how_it_moved_its_score_and_which_passage_it_was(
    page: Page, lengths: str
) -> None:
    page.goto(lengths)
    assert rank(page, "q", "a\nbbbb\nccc\ndd") == [
        ["1", "▲ 1", "bbbb", "score 0.9820", "logit 4.00", "passage 2"],
        ["2", "▲ 1", "ccc", "score 0.9526", "logit 3.00", "passage 3"],
        ["3", "▲ 1", "dd", "score 0.8808", "logit 2.00", "passage 4"],
        ["4", "▼ 3", "a", "score 0.7311", "logit 1.00", "passage 1"],
    ]
    expect(rows(page).first.get_by_role("img", name="up 1")).to_be_visible()
    expect(rows(page).last.get_by_role("img", name="down 3")).to_be_visible()
    assert rank(page, "q", "bb\na")[0][1] == "="


def test_a_bar_is_as_long_as_the_score_is_high(page: Page) -> None:
    with serving(Counted(score_of=lambda passage: -float(len(passage)))) as url:
        page.goto(url)
        rank(page, "q", "a")
        full, filled = (page.locator(bar).bounding_box() for bar in (".bar", ".bar div"))
    assert full is not None
    assert filled is not None
    assert filled["width"] / full["width"] == pytest.approx(0.2689, abs=0.01)


@pytest.mark.parametrize(
    ("pasted", "passages"),
    [
        ("bb\na", ["bb", "a"]),
        ("\n bb \na\n\n", ["bb", "a"]),
        ("b\nb\n\na", ["b\nb", "a"]),
        ("bb\n \t\n\n\na\n\n", ["bb", "a"]),
        ("one", ["one"]),
    ],
)
def test_passages_are_lines_or_what_stands_between_empty_lines(
    page: Page, lengths: str, pasted: str, passages: list[str]
) -> None:
    page.goto(lengths)
    fill(page, "q", pasted)
    count = "1 passage" if len(passages) == 1 else f"{len(passages)} passages"
    expect(page.get_by_label("Passages")).to_have_accessible_description(re.compile(f" {count}$"))
    page.get_by_role("button", name="Rank").click()
    ranked(page)
    assert rows(page).locator(".text").all_inner_texts() == passages


def test_tab_reaches_everything_once_and_the_focus_is_seen(page: Page, lengths: str) -> None:
    page.goto(lengths)
    page.keyboard.press("Control+Enter")
    ranked(page)
    expect(page.locator("li[tabindex='0']")).to_have_count(1)
    stops = []
    for _ in range(5):
        focused = page.locator(":focus-visible")
        stops.append(focused.evaluate("element => element.tagName"))
        expect(focused).to_have_css("outline-style", "solid")
        expect(focused).to_have_css("outline-width", "3px")
        page.keyboard.press("Tab")
    assert stops == ["INPUT", "TEXTAREA", "SUMMARY", "BUTTON", "LI"]
    expect(page.locator(":focus")).to_have_count(0)


def test_arrows_walk_through_the_ranking_and_escape_leaves_it(page: Page, lengths: str) -> None:
    page.goto(lengths)
    rank(page, "q", "ccc\nbb\na")
    page.keyboard.press("Tab")
    for key, place in (
        ("ArrowUp", 0),
        ("ArrowDown", 1),
        ("ArrowUp", 0),
        ("End", 2),
        ("ArrowDown", 2),
        ("Home", 0),
        ("ArrowDown", 1),
    ):
        page.keyboard.press(key)
        expect(rows(page).nth(place)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(rows(page).nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Query")).to_be_focused()


def test_ranking_anew_from_within_the_ranking_keeps_the_focus_there(
    page: Page, lengths: str
) -> None:
    page.goto(lengths)
    rank(page, "q", "bb\na")
    rows(page).last.focus()
    page.keyboard.press("Control+Enter")
    ranked(page)
    expect(rows(page).first).to_be_focused()
    page.get_by_label("Passages").fill("")
    rows(page).last.focus()
    page.keyboard.press("Control+Enter")
    failed(page, "there is no passage.")
    expect(page.get_by_label("Query")).to_be_focused()


def test_a_wrong_key_leads_to_the_key_and_the_right_one_ranks(page: Page) -> None:
    with serving(Counted(), api_key="right") as url:
        page.goto(url)
        expect(page.get_by_label("Bearer token")).to_be_hidden()
        for wrong in ("", "wrong"):
            page.keyboard.type(wrong)
            page.keyboard.press("Control+Enter")
            failed(page, "no or wrong bearer token")
            expect(page.get_by_label("Bearer token")).to_be_focused()
        page.get_by_label("Bearer token").fill("right")
        page.keyboard.press("Enter")
        ranked(page)


@pytest.mark.parametrize(
    ("query", "passages", "message"),
    [
        ("q", "a\n" * 6, "batch size 6 > maximum allowed batch size 5"),
        (" ", "a", "the query is empty: ' '; give the words to rank by"),
        ("q", "", "there is no passage."),
        ("q", " \n\n\t\n", "there is no passage."),
    ],
)
def test_a_refusal_is_told_in_words_and_takes_the_old_ranking_away(
    page: Page, lengths: str, query: str, passages: str, message: str
) -> None:
    page.goto(lengths)
    rank(page, "q", "a")
    fill(page, query, passages)
    page.keyboard.press("Control+Enter")
    failed(page, message)
    rank(page, "q", "a")


def test_a_server_that_is_gone_is_told_in_words(page: Page) -> None:
    with serving(Counted()) as url:
        page.goto(url)
    page.keyboard.press("Control+Enter")
    failed(page, "the server cannot be reached (Failed to fetch).")


@pytest.mark.parametrize(("status", "body"), [(200, "<p>hello"), (200, "{}"), (502, "<p>hello")])
def test_an_answer_from_something_else_than_the_server_is_told_in_words(
    page: Page, lengths: str, status: int, body: str
) -> None:
    page.route("**/rerank", lambda route: route.fulfill(status=status, body=body))
    page.goto(lengths)
    page.keyboard.press("Control+Enter")
    failed(page, f"the server answered with status {status}.")


def test_an_older_answer_never_replaces_a_newer_one(page: Page, lengths: str) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/rerank", hold_the_first)
    page.goto(lengths)
    fill(page, "first", "aa\nbbb")
    with page.expect_request("**/rerank"):
        page.keyboard.press("Control+Enter")
    expect(page.get_by_role("list", name="Ranking")).to_have_attribute("aria-busy", "true")
    with page.expect_event("requestfailed") as cancelled:
        newer = rank(page, "second", "c\ndd\neee")
    assert cancelled.value == held[0].request
    held[0].fulfill(json=[{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}])
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert [row.inner_text().splitlines() for row in rows(page).all()] == newer
    ranked(page)


def test_markup_in_passages_is_shown_as_text(page: Page, lengths: str) -> None:
    markup = "<img src=x onerror='document.title = 1'><script>document.title = 2</script><b>b</b>"
    page.goto(lengths)
    [shown] = rank(page, markup, markup)
    assert shown[2] == markup
    assert page.title() == "bge-rerank"


def test_the_policy_stops_what_does_not_stand_in_the_page(browser: Browser, lengths: str) -> None:
    policy = httpx.get(lengths).headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert httpx.get(lengths).headers["X-Content-Type-Options"] == "nosniff"
    with serving(Counted()) as elsewhere, browser.new_page() as page:
        page.goto(lengths)
        page.evaluate(
            """(elsewhere) => {
                window.blocked = new Set();
                document.addEventListener("securitypolicyviolation",
                    (event) => window.blocked.add(event.effectiveDirective));
                document.body.insertAdjacentHTML("beforeend",
                    `<img src="${elsewhere}/"><p style="color: red" onclick="document.title = 'clicked'">`);
                // Chromium judges a handler when it is parsed or when it is first needed.
                document.body.lastChild.click();
                const script = document.createElement("script");
                script.textContent = "document.title = 'run'";
                document.body.append(script);
                fetch(`${elsewhere}/rerank`, {method: "POST"}).catch(() => {});
            }""",
            elsewhere,
        )
        # The policy stops what `wait_for_function` evaluates where it has to look twice.
        for _ in range(100):
            if page.evaluate("blocked.size") == 5:
                break
            page.wait_for_timeout(100)
        blocked = page.evaluate("[...blocked].sort()")
        assert page.title() == "bge-rerank"
    assert blocked == [
        "connect-src",
        "img-src",
        "script-src-attr",
        "script-src-elem",
        "style-src-attr",
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_to_complain_about(page: Page, lengths: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(lengths)
    rank(page, "q", "a\nbbbb\ncc\nd\nb\n")
    page.get_by_text("Key", exact=True).click()
    complaints = Axe().run(page)
    assert not complaints.response["violations"], complaints.generate_report()
    fill(page, "q", "")
    page.keyboard.press("Control+Enter")
    failed(page, "there is no passage.")
    complaints = Axe().run(page)
    assert not complaints.response["violations"], complaints.generate_report()


@pytest.mark.parametrize("width", [320, 1000, 1600])
def test_nothing_is_wider_than_the_window_and_the_best_is_seen(
    page: Page, lengths: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 500})
    page.goto(lengths)
    fill(page, "q" * 500, "x" * 3_000 + "\nan ordinary passage\n" + "words " * 500)
    page.keyboard.press("Control+Enter")
    ranked(page)
    scrolled, seen = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scrolled <= seen
    expect(rows(page).first).to_be_in_viewport(ratio=0.5)


def test_a_long_passage_is_shown_in_full_while_it_is_focused(page: Page, lengths: str) -> None:
    page.goto(lengths)
    rank(page, "q", "word " * 1_000 + "\na")
    long = page.locator(".text").first
    clipped = "element => element.scrollHeight > element.clientHeight"
    assert long.evaluate(clipped)
    rows(page).first.focus()
    assert not long.evaluate(clipped)
    page.keyboard.press("ArrowDown")
    assert long.evaluate(clipped)


def test_the_routes_are_described_without_a_key_and_by_no_other_host(page: Page) -> None:
    with serving(Counted(), api_key="right") as url:
        page.goto(f"{url}/docs")
        page.get_by_role("button", name="POST /v2/rerank Cohere").click()
        expect(page.get_by_text("relevance_score").first).to_be_visible()
        page.goto(url)
