"""Measure on your own labelled queries whether reranking helps: `evaluate`.

May import `ranking` and every room below it.
Start reading in `evaluate.py`.

The packages of the extra `evaluate` are imported on first use.

>>> from bge_rerank.evaluation import LabelledQuery, evaluate, read_beir, read_frame, read_jsonl
"""

from bge_rerank.data.beir import read_beir
from bge_rerank.data.bm25_retriever import Bm25Retriever
from bge_rerank.data.demo import demo_collection
from bge_rerank.data.frames import read_frame
from bge_rerank.data.irds import read_irds
from bge_rerank.data.jsonl import read_jsonl
from bge_rerank.data.labelled import (
    Candidate,
    LabelledCollection,
    LabelledQuery,
    Passage,
    Retriever,
)
from bge_rerank.evaluation.evaluate import evaluate
from bge_rerank.evaluation.measures import measure_rankings
from bge_rerank.evaluation.result import (
    Change,
    DepthPoint,
    Evaluation,
    Latency,
    Loss,
    ModelResult,
    ModelRun,
    Run,
    Shown,
    Verdict,
)

__all__ = [
    "Bm25Retriever",
    "Candidate",
    "Change",
    "DepthPoint",
    "Evaluation",
    "LabelledCollection",
    "LabelledQuery",
    "Latency",
    "Loss",
    "ModelResult",
    "ModelRun",
    "Passage",
    "Retriever",
    "Run",
    "Shown",
    "Verdict",
    "demo_collection",
    "evaluate",
    "measure_rankings",
    "read_beir",
    "read_frame",
    "read_irds",
    "read_jsonl",
]
