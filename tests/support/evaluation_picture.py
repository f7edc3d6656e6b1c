"""Make docs/evaluation.png, a picture of a report: `.venv/bin/python tests/support/evaluation_picture.py`.

The report compares the demo's dense retrieval with `mini`, on the demo's questions.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from bge_rerank import load_scorer
from bge_rerank.cli.demo.pipelines import embedded_chroma, langchain_retriever
from bge_rerank.data.demo import demo_collection
from bge_rerank.evaluation import LabelledQuery, evaluate
from bge_rerank.evaluation.report.write import write_reports
from chromium import chromium
from langchain_bge_rerank import first_stage

PICTURE = Path(__file__).parents[2] / "docs" / "evaluation.png"
DEPTH = 20
UP_TO = "#gains-heading"
"""The picture ends above this heading."""


def main() -> None:
    collection = demo_collection()
    queries = [
        LabelledQuery(id_, question, None, collection.judgements[id_])
        for id_, question in collection.questions.items()
    ]
    found = langchain_retriever(embedded_chroma(), collection.passages, DEPTH)
    evaluation = evaluate(
        queries,
        {"mini": load_scorer("mini")},
        retriever=first_stage(found),
        depth=DEPTH,
        latency_budget_ms=500,
        corpus_size=len(collection.passages),
        source="the demo's collection",
    )
    with TemporaryDirectory() as folder, chromium() as browser:
        report = write_reports(evaluation, Path(folder))[-1]
        page = browser.new_page(
            viewport={"width": 900, "height": 800}, color_scheme="light", device_scale_factor=2
        )
        page.goto(report.as_uri())
        height = page.locator(UP_TO).bounding_box()["y"]
        clip = {"x": 0, "y": 0, "width": 900, "height": height}
        page.screenshot(path=PICTURE, full_page=True, clip=clip)


if __name__ == "__main__":
    main()
