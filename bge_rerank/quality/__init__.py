"""Does reranking help here? `evaluate` measures it on labelled queries of your own.

Built on the core, which knows nothing of it. Needs the extra `evaluate`, which is missed when something
is evaluated: what calibrates and measures drift lies here too, and has an extra of its own.

>>> from bge_rerank.quality import LabelledQuery, evaluate, read_beir, read_frame, read_jsonl
"""

from bge_rerank.quality.beir import read_beir
from bge_rerank.quality.bm25_retriever import Bm25Retriever
from bge_rerank.quality.collection import LabelledCollection
from bge_rerank.quality.evaluation import evaluate
from bge_rerank.quality.frames import read_frame
from bge_rerank.quality.irds import read_irds
from bge_rerank.quality.jsonl import read_jsonl
from bge_rerank.quality.labelled import Candidate, LabelledQuery, Retriever
from bge_rerank.quality.result import (
    Change,
    DepthPoint,
    Evaluation,
    Latency,
    Loss,
    ModelResult,
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
    "Retriever",
    "Shown",
    "Verdict",
    "evaluate",
    "read_beir",
    "read_frame",
    "read_irds",
    "read_jsonl",
]
