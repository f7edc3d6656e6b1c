"""`run_demo`: retrieve 20 passages, rerank through both frameworks, show some questions, measure all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from langchain_classic.retrievers import ContextualCompressionRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers.no_text import NoText
from rich.console import Console
from rich.progress import track

from bge_rerank.backends.quiet import without_loading_bars
from bge_rerank.cli.demo.comparison_tables import ScoredIds, quality_table, ranks_table
from bge_rerank.cli.demo.measure import mean_quality, ndcg_by_question
from bge_rerank.cli.demo.pipelines import embedded_chroma, langchain_retriever, llamaindex_index
from bge_rerank.data.demo import demo_collection
from bge_rerank.data.labelled import LabelledCollection
from bge_rerank.scoring.loading import load_scorer
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

DEPTH = 20
TOP_N = 3


@dataclass(frozen=True, slots=True)
class SearchRun:
    """The passages found, best first, by question id, and the wall time of all questions together."""

    results: dict[str, ScoredIds]
    seconds: float


def run_demo(model_name: str, show: int) -> None:
    """Search with and without reranking, and print the ranks of `show` questions and the quality.

    Raises:
        ModelLoadError: The model could not be loaded. The demo loads it first.
    """
    console = Console()
    collection = demo_collection()
    load_scorer(model_name).loaded()
    with without_loading_bars():
        first_stage, langchain, llamaindex = _searches(collection, model_name)
    before = _measure("first stage", first_stage, collection.questions)
    after = {
        "LangChain": _measure("LangChain", langchain, collection.questions),
        "LlamaIndex": _measure("LlamaIndex", llamaindex, collection.questions),
    }
    for question in _most_changed(collection, before, after["LangChain"], show):
        shown = [measured.results[question] for measured in (before, *after.values())]
        console.print(ranks_table(collection, question, *shown, top_n=TOP_N))
    rows = {"first stage (dense, Chroma)": before}
    rows |= {f"+ {model_name} through {name}": measured for name, measured in after.items()}
    quality = {
        name: (mean_quality(collection.judgements, measured.results), measured.seconds)
        for name, measured in rows.items()
    }
    size = f"{len(collection.questions)} questions, {len(collection.passages)} passages"
    console.print(quality_table(quality, f"{size}, depth {DEPTH}"))


def _searches(collection: LabelledCollection, model_name: str) -> list[Callable[[str], ScoredIds]]:
    """Return three searches: the first stage, and reranking through LangChain and LlamaIndex."""
    client = embedded_chroma()
    retriever = langchain_retriever(client, collection.passages, DEPTH)
    compression = ContextualCompressionRetriever(
        base_compressor=BGERerankerCompressor(model_name=model_name, top_n=None),
        base_retriever=retriever,
    )
    # NoText returns the source nodes without an answer, so it needs no LLM.
    engine = RetrieverQueryEngine(
        llamaindex_index(client, collection.passages).as_retriever(similarity_top_k=DEPTH),
        NoText(llm=MockLLM()),
        node_postprocessors=[BGERerankerPostprocessor(model_name=model_name, top_n=None)],
    )
    return [
        lambda question: {str(found.id): None for found in retriever.invoke(question)},
        lambda question: {
            str(found.id): found.metadata["rerank_score"] for found in compression.invoke(question)
        },
        lambda question: {
            found.node_id: found.score for found in engine.query(question).source_nodes
        },
    ]


def _measure(
    name: str, search: Callable[[str], ScoredIds], questions: Mapping[str, str]
) -> SearchRun:
    search("warm up")
    started = time.perf_counter()
    bar = track(questions.items(), name, console=Console(stderr=True), transient=True)
    results = {question: search(text) for question, text in bar}
    return SearchRun(results, time.perf_counter() - started)


def _most_changed(
    collection: LabelledCollection, before: SearchRun, after: SearchRun, show: int
) -> list[str]:
    """Return the questions that gained most; the last is the question that lost most, if any lost."""
    was = ndcg_by_question(collection.judgements, before.results)
    now = ndcg_by_question(collection.judgements, after.results)
    by_gain = sorted(was, key=lambda question: was[question] - now[question])
    worst = by_gain[-1]
    if now[worst] >= was[worst]:
        return by_gain[:show]
    return [*by_gain[: max(show - 1, 0)], worst][:show]
