"""The report files, and the report in the terminal."""

import json
import sys
from io import StringIO
from pathlib import Path
from subprocess import run

from rich.console import Console

from bge_rerank.evaluation import LabelledQuery, evaluate
from bge_rerank.evaluation.report.markdown import as_markdown
from bge_rerank.evaluation.report.terminal import print_evaluation
from bge_rerank.evaluation.report.write import (
    HTML_FILE,
    JSON_FILE,
    MARKDOWN_FILE,
    write_reports,
)
from counted_scorer import Counted
from evaluations import shortest_first, small_evaluation, with_texts
from labelled_queries import Told, labelled_queries
from measured_depths import DEPTHS, evaluated


def test_reports_show_results_by_depth_and_mark_the_recommended_depth(tmp_path: Path) -> None:
    evaluation = evaluated()
    [told] = evaluation.models
    depth = told.recommended_depth
    assert depth is not None
    write_reports(evaluation, tmp_path)
    contents = json.loads((tmp_path / "evaluation.json").read_text())["models"][0]
    assert contents["recommended_depth"] == depth
    assert [point["depth"] for point in contents["depths"]] == list(DEPTHS)
    assert contents["depths"][0]["latency"].keys() == {"p50", "p95"}
    [marked] = [line for line in as_markdown(evaluation).splitlines() if "| recommended |" in line]
    assert marked.startswith(f"| {depth} | {told.advised_after:.3f} | +")
    console = Console(record=True, width=120, file=StringIO())
    print_evaluation(evaluation, console)
    printed = console.export_text()
    assert printed.count("recommended │") == 1
    assert f"depth {depth} is recommended" in " ".join(printed.split())
    at = "" if depth == 6 else f" at depth {depth}"
    assert f"Yes: rerank with told{at}." in printed


def test_reports_replace_characters_of_a_query_that_no_encoding_can_hold(tmp_path: Path) -> None:
    odd = "\ud800 *what* [bold]"
    query = LabelledQuery("q", odd, [("a", f"x 0 {odd}"), ("b", f"x 1 {odd}")], {"a": 1})
    evaluation = evaluate([query], {"told": Told()}, output=tmp_path)
    assert evaluation.models[0].losses == 1
    write_reports(evaluation, tmp_path)
    assert "\ufffd \\*what\\* \\[bold\\]" in (tmp_path / "evaluation.md").read_text()
    console = Console(record=True, width=200, file=StringIO())
    print_evaluation(evaluation, console)
    assert "\ufffd *what* [bold]" in console.export_text()


def test_the_page_replaces_characters_that_no_encoding_can_hold(tmp_path: Path) -> None:
    [*_, html] = write_reports(with_texts(small_evaluation(3), "\ud800 text"), tmp_path)
    assert html == tmp_path / HTML_FILE
    assert "\ufffd text" in html.read_text(encoding="utf-8")


def test_reports_count_queries_without_a_relevant_passage(tmp_path: Path) -> None:
    empty = LabelledQuery("none", "q", [("a", "x 0")], {"a": 0})
    evaluation = evaluate([*labelled_queries(30), empty], {"told": Told()})
    write_reports(evaluation, tmp_path)
    console = Console(record=True, width=500, file=StringIO())
    print_evaluation(evaluation, console)
    page, text = (tmp_path / HTML_FILE).read_text(), (tmp_path / MARKDOWN_FILE).read_text()
    for report in (page, text, console.export_text()):
        assert "Queries without a relevant passage: 1. No ranking can do well on these" in report
    assert json.loads((tmp_path / JSON_FILE).read_text())["without_relevant"] == 1


def test_a_negative_answer_names_the_models() -> None:
    console = Console(record=True, width=500, file=StringIO())
    print_evaluation(evaluated(scorer=Counted(shortest_first)), console)
    assert "No: reranking with told is not worth it on this data." in console.export_text()


def test_without_its_packages_the_report_names_the_extra_to_install() -> None:
    code = "import sys\nsys.modules['jinja2'] = None\nimport bge_rerank.evaluation.report.write"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "the report needs jinja2" in done.stderr
    assert "pip install 'bge-rerank[evaluate]'" in done.stderr
