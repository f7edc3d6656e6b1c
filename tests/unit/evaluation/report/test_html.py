"""The HTML report: self-contained, escaped, and reproducible."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bge_rerank.evaluation import Evaluation
from bge_rerank.evaluation.report.html import as_html
from bge_rerank.evaluation.report.markdown import as_markdown
from bge_rerank.evaluation.report.palette import PALETTE
from bge_rerank.evaluation.report.story import tell
from bge_rerank.evaluation.report.terminal import print_evaluation
from evaluations import MARKUP, small_evaluation, with_depths, with_texts

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
ASKS = {"script", "iframe", "object", "embed", "img", "image", "base", "form", "video", "audio"}
"""Elements that run code or load something."""


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]

    @property
    def text(self) -> str:
        """The visible text, with one space between words."""
        return " ".join("".join(self.texts).split())


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return with_depths(small_evaluation())


@pytest.fixture(scope="module")
def page(evaluation: Evaluation) -> str:
    return as_html(evaluation)


def test_the_page_starts_with_the_answer_and_its_reasons(page: str, evaluation: Evaluation) -> None:
    text = Page(page[page.index("<body>") :]).text
    story = tell(evaluation)
    told = story.models[0]
    assert text.startswith(f"Does reranking help? {story.answer} {told.name}: {told.verdict}")


def test_the_sections_have_one_heading_each_and_the_circumstances_come_last(page: str) -> None:
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page) == [
        "Before and after",
        "nDCG@3 by depth",
        "Gain of each query",
        "Latency and quality",
        "Largest losses",
        "Notes",
        "How this was measured",
    ]
    assert len(Page(page).all("h1")) == 1


def test_all_reports_have_the_same_sentences(page: str, evaluation: Evaluation) -> None:
    console = Console(record=True, width=200, file=StringIO())
    print_evaluation(evaluation, console)
    story = tell(evaluation)
    told = story.models[0]
    said = [story.answer, story.data, told.verdict, *told.rows[0], *story.notes]
    said += [told.losses[0].query, *(passage for _, passage in told.losses[0].passages)]
    said += [value for run in story.runs for _, value in run]
    for report in (Page(page).text, as_markdown(evaluation), console.export_text()):
        flat = " ".join(report.replace("\\", "").split())
        assert not [text for text in said if text not in flat]


def test_counts_latencies_and_depths_stand_in_tables(page: str, evaluation: Evaluation) -> None:
    text = Page(page).text
    for model in tell(evaluation).models:
        assert " ".join([model.name, *model.count_row]) in _cells(page)
        assert len(model.depth_rows) == 3
        for row in model.depth_rows:
            assert " ".join(row) in _cells(page)
    assert "A ring marks the recommended depth: 3 for told; 3 for short. The" in " ".join(
        text.split()
    )


def _cells(page: str) -> str:
    """Return the text of a page, with a space between cells."""
    return Page(page.replace("</th>", " ").replace("</td>", " ")).text


def test_the_settings_of_models_stand_side_by_side(evaluation: Evaluation) -> None:
    models = {"a": {"scorer": {"backend": "torch"}, "top_n": None}, "b": {"top_n": 3}}
    text = _cells(as_html(replace(evaluation, settings={"k": 3, "models": models})))
    assert "setting a b scorer.backend torch - top_n - 3" in text
    assert "setting value k 3" in text


@pytest.mark.parametrize("queries", [5, 40])
def test_markup_in_the_data_stays_text(queries: int) -> None:
    plain = small_evaluation(queries)
    read = Page(as_html(with_texts(plain, MARKUP)))
    same = Page(as_html(with_texts(plain, "zebra")))
    assert [tag for tag, _ in read.elements] == [tag for tag, _ in same.elements]
    assert not {tag for tag, _ in read.elements} & ASKS
    assert read.text.count(MARKUP) == same.text.count("zebra") > 20


@given(st.text(st.characters(codec=None), min_size=1))
@settings(max_examples=50, deadline=None)
def test_no_text_changes_the_elements(text: str) -> None:
    assert elements_with(text) == elements_with("text")


@cache
def elements_with(text: str) -> list[str]:
    """Return the elements of a page on few queries whose texts are all this one."""
    return [tag for tag, _ in Page(as_html(with_texts(few_queries(), text))).elements]


@cache
def few_queries() -> Evaluation:
    return small_evaluation(queries=2)


def test_the_page_loads_nothing_and_runs_nothing(evaluation: Evaluation) -> None:
    page = as_html(with_texts(evaluation, MARKUP))
    read = Page(page)
    assert not {tag for tag, _ in read.elements} & ASKS
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "xlink:href", "src", "srcset", "data", "action"):
            assert re.match(r"#|data:,$", attributes.get(name) or "#"), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)", page)
    [policy] = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    assert (policy or "").startswith("default-src 'none'; style-src 'unsafe-inline';")


def test_the_pictures_are_well_formed_and_have_unique_ids(page: str) -> None:
    pictures = SVG.findall(page)
    assert len(pictures) == 4  # by depth, a gain for each model, latency
    for picture in pictures:
        assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<style" not in picture
    ids = Counter(re.findall(r'\bid="([^"]*)"', page))
    assert set(ids.values()) == {1}
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    labels = " ".join(re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', page)).split()
    assert referred
    assert (referred | set(labels)) <= set(ids)


def test_pictures_hold_no_text_from_the_data(evaluation: Evaluation) -> None:
    for picture in SVG.findall(as_html(with_texts(evaluation, MARKUP))):
        words = re.findall(r"<text[^>]*>(.*?)</text>", picture)
        assert all(re.fullmatch(r"[−\d.]+|[\w @,]+", word) for word in words), words


def test_pictures_take_all_colours_from_the_page(page: str) -> None:
    for picture in SVG.findall(page):
        assert not re.findall(r"#[0-9a-f]{6}", picture)
        assert set(re.findall(r"var\(--([\w-]+)\)", picture)) <= set(PALETTE)
    assert "var(--up)" in page
    assert "var(--down)" in page
    on_light = [light for light, _ in PALETTE.values()]
    assert len(set(on_light)) == len(on_light)


def test_each_picture_has_a_name_and_a_caption(page: str, evaluation: Evaluation) -> None:
    pictures = [div for div in Page(page).all("div") if div.get("role") == "img"]
    assert len(pictures) == len(SVG.findall(page))
    assert all(div["aria-labelledby"] and div["aria-describedby"] for div in pictures)
    assert len(Page(page).all("figcaption")) == len(pictures)
    for model in tell(evaluation).models:
        assert model.gains in Page(page).text


def test_each_table_has_a_caption_and_each_heading_a_scope(page: str) -> None:
    read = Page(page)
    assert len(read.all("caption")) == len(read.all("table")) == 6
    assert {heading["scope"] for heading in read.all("th")} == {"col", "row", "rowgroup"}


def test_the_settings_of_matplotlib_do_not_change_the_page(
    page: str, evaluation: Evaluation
) -> None:
    own = {"font.size": 30, "lines.linewidth": 9, "svg.hashsalt": None, "svg.fonttype": "path"}
    with mpl.rc_context(own):
        assert as_html(evaluation) == page
        assert {name: mpl.rcParams[name] for name in own} == own


def test_with_too_few_queries_the_page_has_no_pictures_and_no_means() -> None:
    few = as_html(small_evaluation(queries=29))
    text = Page(few).text
    assert "There is not enough data to say." in text
    assert "queries measured: 29, needed for means: 30 or more" in text
    assert "The data is too little for means" in text
    assert not SVG.findall(few)
    assert "difference" not in text
    assert re.search(r"told( \d+){3} - - ", _cells(few))


@pytest.mark.parametrize("measured", [0, 1])
def test_without_smaller_depths_a_sentence_replaces_the_curve(
    evaluation: Evaluation, measured: int
) -> None:
    models = [
        replace(model, depths=model.depths[:measured], recommended_depth=None)
        for model in evaluation.models
    ]
    page = as_html(replace(evaluation, models=tuple(models)))
    assert f"No depth other than {evaluation.depth} was measured." in Page(page).text
    assert len(SVG.findall(page)) == 3


def test_a_curve_is_drawn_for_the_one_model_that_has_it(evaluation: Evaluation) -> None:
    told, short = evaluation.models
    page = as_html(replace(evaluation, models=(told, replace(short, depths=()))))
    assert len(SVG.findall(page)) == 4
    told, short = tell(evaluation).models
    assert " ".join(told.depth_rows[0]) in _cells(page)
    assert " ".join(short.depth_rows[0]) not in _cells(page)
