"""Read the labelled collections for training and evaluating mini."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_DATA = Path(__file__).resolve().parent.parent / "../shared/data"
"""The folder of the collections, unless ``--data`` names another one."""

Qrels = dict[str, dict[str, int]]
"""Relevance judgements: query id, then passage id, then grade."""


@dataclass(frozen=True)
class Collection:
    """A labelled collection in the layout of BEIR.

    Attributes:
        corpus: The title and text of every passage, by passage id.
        queries: The text of every query, by query id.
        qrels: The relevance judgements of one split.
    """

    corpus: dict[str, str]
    queries: dict[str, str]
    qrels: Qrels


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file with one JSON object per line."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read_qrels(path: Path) -> Qrels:
    """Read relevance judgements from a tab-separated file with a header."""
    qrels: Qrels = {}
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return qrels


def read_collection(folder: Path, split: str) -> Collection:
    """Read one split of a collection.

    Example:
        >>> read_collection(DEFAULT_DATA / "scifact", "test").queries["1"]  # doctest: +SKIP
        '0-dimensional biomaterials show inductive properties.'
    """
    corpus = read_jsonl(folder / "corpus.jsonl")
    return Collection(
        corpus={doc["_id"]: f"{doc['title']} {doc['text']}".strip() for doc in corpus},
        queries={query["_id"]: query["text"] for query in read_jsonl(folder / "queries.jsonl")},
        qrels=read_qrels(folder / "qrels" / f"{split}.tsv"),
    )
