"""Calls that type checkers must accept, as users write them. mypy checks this file; it never runs."""

from collections.abc import Sequence
from pathlib import Path

from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore
from ray.data import Dataset

from bge_rerank import (
    AsyncScorer,
    Calibration,
    Ranked,
    Ranking,
    Reranker,
    Scorer,
    Tier,
    load_scorer,
)
from bge_rerank.batch import BatchProgress, BatchResult, run_batch
from bge_rerank.evaluation import Evaluation, LabelledQuery, evaluate, read_jsonl
from bge_rerank.ray import WriteResult, rerank, write_reranked
from bge_rerank.scoring import GatheringScorer
from langchain_bge_rerank import (
    BGECrossEncoder,
    BGERerankerCompressor,
    BGERerankerRetriever,
    ScoredRetriever,
)
from llamaindex_bge_rerank import BGERerankerPostprocessor
from llamaindex_bge_rerank import BGERerankerRetriever as LlamaIndexReranked


class MyScorer:
    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [0.0 for _ in pairs]


class MyAsyncScorer(MyScorer):
    async def ascore(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [0.0 for _ in pairs]


scorer: Scorer = MyScorer()
awaited: AsyncScorer = MyAsyncScorer()
loaded: Scorer = load_scorer("mini", device="cpu", dtype="float32", cutoff_layers=[28])

cached: AsyncScorer = load_scorer("mini", batch_wait_ms=5, score_cache="memory")
gathered: AsyncScorer = GatheringScorer(MyScorer(), wait_ms=1.5, max_pairs=64)

served: AsyncScorer = load_scorer(
    "m",
    "tei",
    base_url=["http://a:8080", "http://b:8080"],
    api_key="k",
    headers={"X": "y"},
    timeout=5,
)

reranker = Reranker(scorer, top_n=None, score_threshold=0.5)
named = Reranker("mini", backend="torch", device="cpu", dtype="float32", top_n=3)
at_a_server = Reranker("m", backend="tei", base_url=["http://a:8080"], api_key="k", top_n=3)
calibrated = Reranker(scorer, calibration="calibration.json", min_precision=0.9)
by_estimate = Reranker(
    scorer, calibration="calibration.json", min_precision=0.9, precision_by="estimate"
)
not_below: float = Calibration.load("calibration.json").precision_estimate(0.9).bound
probability: float | None = calibrated.rerank("q", ["a"])[0].probability
cascade = Reranker(scorer, prefilter="bm25", keep=50)
cascade_of_two = Reranker(scorer, top_n=None, prefilter=MyScorer(), keep=50)
fusing = Reranker(scorer, rrf_k=10)
fused: float | None = fusing.rerank("q", ["a"])[0].fused
ranking: Ranking = reranker.rerank("q", ["a", "b"])
rankings: list[Ranking] = reranker.rerank_many([("q", ["a"]), ("r", ("b", "c"))])
score: float = ranking[0].score
tiers: tuple[Tier, ...] = ranking.tiers
received: int | None = tiers[0].received
told: list[Ranking] = []

compressor = BGERerankerCompressor(
    model_name="mini",
    backend="torch",
    top_n=2,
    score_threshold=0.1,
    min_retrieval_score=0.3,
    retrieval_score_key="similarity",
    rrf_k=10,
    rank_fields=["title"],
    device="cpu",
    dtype="bfloat16",
    max_length=512,
    score_cache="scores",
    prefilter="mini",
    keep=20,
    calibration=Calibration.load(Path("calibration.json")),
    min_precision=0.9,
    precision_by="bound",
    on_ranking=told.append,
)
labelled = LabelledQuery("q1", "q", [("a", "text")], {"a": 1})
evaluation: Evaluation = evaluate([labelled], {"mine": scorer, "top 3": reranker}, target=0.9)
evaluate(read_jsonl("data.jsonl"), {"mine": scorer}, retriever=lambda query: [("a", query)])
base_compressor: BaseDocumentCompressor = compressor
documents: Sequence[Document] = compressor.compress_documents([Document("a")], query="q")
retriever: BaseRetriever = ScoredRetriever(
    vectorstore=InMemoryVectorStore(DeterministicFakeEmbedding(size=8)),
    search_kwargs={"k": 20},
    relevance_score_fn=lambda cosine: (1 + cosine) / 2,
)
ready = BGERerankerCompressor(scorer=MyScorer())
cross_encoder: BaseCrossEncoder = BGECrossEncoder(load_scorer("mini"))

postprocessor = BGERerankerPostprocessor(
    model_name="mini",
    top_n=None,
    scorer=load_scorer(),
    metadata_mode=MetadataMode.EMBED,
    min_retrieval_score=0.3,
    rrf_k=60,
)
base_postprocessor: BaseNodePostprocessor = postprocessor
nodes: list[NodeWithScore] = postprocessor.postprocess_nodes([], query_str="q")
telling = BGERerankerPostprocessor(on_ranking=lambda ranking: print(*ranking.tiers, sep=" → "))


def show(progress: BatchProgress) -> None:
    print(progress.share, progress.pairs)


def batches() -> None:
    result: BatchResult = run_batch(reranker, "a.jsonl", Path("out"), progress=show)
    again = run_batch(reranker, [Path("a.parquet"), "b/*.jsonl"], "out", part_pairs=100)
    print(result.rows, again.parts)


def datasets(dataset: Dataset) -> None:
    reranked: Dataset = rerank(dataset, reranker, actors=(1, 4), num_gpus=0.5)
    done: WriteResult = write_reranked(reranked, "mini", Path("out"), actors=2, num_cpus=4)
    print(done.rows, done.failures, done.continued)


def retrievers(of_langchain: BaseRetriever, of_llamaindex: LlamaIndexRetriever) -> None:
    reranked: BaseRetriever = BGERerankerRetriever(retriever=of_langchain, compressor=compressor)
    found: list[Document] = reranked.invoke("q")
    also: LlamaIndexRetriever = LlamaIndexReranked(of_llamaindex, telling)
    print(found, also.retrieve("q"))


async def awaits() -> None:
    ranked: list[Ranked] = await reranker.arerank("q", ["a"])
    print(ranked, await compressor.acompress_documents([Document("a")], "q"))
    print(await postprocessor.apostprocess_nodes([], query_str="q"))


def misspelt_options_are_found() -> None:
    """Each line has an error that type checkers must find, since an unused `ignore` is an error too."""
    load_scorer("mini", thread=2)  # type: ignore[call-arg]
    Reranker("mini", topn=3)  # type: ignore[call-arg]
    Reranker("mini", top_n="3")  # type: ignore[arg-type]
    Reranker("mini", long_documents="windows")  # type: ignore[arg-type]
    BGERerankerCompressor(topn=3)  # type: ignore[call-arg]
    BGERerankerCompressor("mini")  # type: ignore[call-arg]
    BGERerankerPostprocessor(score_threshold="high")  # type: ignore[arg-type]
