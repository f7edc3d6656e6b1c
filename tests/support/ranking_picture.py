"""Write docs/ranking.png, a ranking in a notebook: `.venv/bin/python tests/support/ranking_picture.py`."""

from pathlib import Path

from bge_rerank import Reranker, load_scorer
from bge_rerank.data.demo import demo_collection
from chromium import chromium

PICTURE = Path(__file__).parents[2] / "docs" / "ranking.png"
QUERY = "when was the last photographic plate taken at Halvorn Peak Observatory"
PAGE = "<body style='font: 14px/1.4 system-ui, sans-serif; max-width: 56rem'>{}</body>"


def main() -> None:
    texts = [passage.text for passage in demo_collection().passages]
    reranker = Reranker(
        load_scorer("mini"),
        4,
        prefilter="bm25",
        keep=20,
        long_documents="window",
        window_tokens=128,
    )
    for _ in range(2):  # the first time loads the model
        ranking = reranker.rerank(QUERY, texts)
    with chromium() as browser:
        page = browser.new_page(
            viewport={"width": 940, "height": 400}, color_scheme="light", device_scale_factor=2
        )
        page.set_content(PAGE.format(ranking._repr_html_()))
        page.locator("table").screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
