"""Evaluations at several depths, and the file that they write."""

import json
from pathlib import Path
from typing import Any

from bge_rerank import Reranker
from bge_rerank.evaluation import Evaluation, evaluate
from bge_rerank.evaluation.evaluate import RECORDS_FILE
from bge_rerank.types import Scorer
from labelled_queries import Told, labelled_queries

DEPTHS = (1, 2, 4, 6)


def evaluated(
    count: int = 60, scorer: Scorer | Reranker | None = None, **options: Any
) -> Evaluation:
    """Evaluate queries with six candidates each at several depths."""
    given = {"depth": 6, "depths": DEPTHS[:-1], "k": 3} | options
    return evaluate(labelled_queries(count), {"told": scorer or Told()}, **given)


def lines_of(folder: Path) -> list[Any]:
    """Return the header and the queries of the file, without its lines for runs."""
    lines = map(json.loads, (folder / RECORDS_FILE).read_bytes().splitlines())
    return [line for line in lines if "cpu" not in line]
