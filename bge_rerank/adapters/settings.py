"""`RerankerSettings`: the fields that both framework adapters share, as a pydantic model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    SkipValidation,
    field_validator,
)

from bge_rerank.adapters.metadata import Unscored, first_stage_order
from bge_rerank.adapters.retrieval_guard import among_all, check_min_retrieval_score, places_from
from bge_rerank.calibration.calibration import (
    Calibration,
    PrecisionBy,
    loaded_calibration,
    min_logit,
)
from bge_rerank.errors import ConfigurationError, ScoringError
from bge_rerank.models.config import DEFAULT_MODEL, Dtype
from bge_rerank.ranking.budget import MeasuredRate, check_budget
from bge_rerank.ranking.fusion import RRF_K, Fusion, check_fusion
from bge_rerank.ranking.pieces import WINDOW_TOKENS, LongDocuments, check_windows
from bge_rerank.ranking.prefilter import check_prefilter
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.selection import check_selection
from bge_rerank.ranking.tiers import Tier
from bge_rerank.scoring.loading import LazyScorer, load_scorer
from bge_rerank.types import Ranked, Scorer


class RerankerSettings(BaseModel):
    """A model, how to run it, and what to keep. Building one loads nothing.

    Raises:
        ConfigurationError: A value cannot work, such as `top_n=0` or an unknown backend.

    >>> RerankerSettings(top_n=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: top_n is 0; give a whole number from 1 on, or None for all
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True)

    model_name: str = DEFAULT_MODEL
    """A hub repository, a local folder, or `"mini"`."""
    backend: str = "auto"
    """`"torch"`, `"onnx"`, `"openvino"`, `"flag"`, or `"auto"`: the fastest that can run the model;
    `"m3-sparse"`: the lexical weights of BGE-M3;
    `"tei"`, `"vllm"`, `"infinity"`, `"llamacpp"`, `"cohere"`, `"jina"`: a server is asked."""
    top_n: int | None = 3
    """How many to keep, from 1 on; `None` keeps all."""
    score_threshold: float | None = None
    """The lowest `rerank_score` (0..1, inclusive) to keep, applied before `top_n`."""
    calibration: Calibration | str | None = None
    """What gives each one a `rerank_probability`, or the file that `bge-rerank calibrate` wrote."""
    min_precision: float | None = None
    """The precision (0..1) that what is kept shall have, by the calibration's threshold, before
    `top_n`; `score_threshold` applies beside it."""
    precision_by: PrecisionBy = "bound"
    """How that threshold is chosen: `"bound"` holds with the calibration's confidence, `"estimate"` is
    where that precision was seen, for labels too few for a promise."""
    rank_fields: list[str] = []
    """Metadata to put in front of the text that is scored, in this order; absent ones are left out."""
    revision: str | None = None
    """A branch, tag or commit of the hub repository."""
    cache_dir: str | None = None
    """Where hub files are kept."""
    local_files_only: bool = False
    """Never ask the hub."""
    device: str | list[str] | None = None
    """A torch device, or several; `None` takes the accelerator where there is one."""
    dtype: Dtype = "auto"
    """The precision; `"auto"` is the export's own, or what the device computes fast in."""
    max_length: int | None = None
    """The longest sequence in tokens; `None` is what BAAI recommends for the model."""
    max_batch_tokens: int | None = None
    """The token budget of a batch; `None` is chosen by the device."""
    threads: int | None = None
    """CPU threads to compute with; `None` takes every core."""
    trust_remote_code: bool = False
    """Run code that the model's repository brings."""
    cutoff_layers: list[int] | None = None
    """The layer to score at, as a list of one, for layerwise models."""
    batch_wait_ms: float = 2.0
    """How long concurrent async calls wait to share a pass, in milliseconds; 0 shares nothing."""
    score_cache: str | None = None
    """Where scores are kept: `"memory"`, a folder, or `None` for nowhere."""
    base_url: str | list[str] | None = None
    """Where the server is; several are asked in turn."""
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """The server's bearer token; no dump holds it."""
    headers: dict[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Sent along with each request to the server; no dump holds them."""
    timeout: float = 30.0
    """Seconds until a single request to the server is given up."""
    deadline: float = 60.0
    """Seconds until a call to the server is given up, with all its requests and further attempts."""
    verify: bool | str = True
    """Whether the server's certificate is checked, or a file of certificates to check by."""
    max_concurrent_requests: int = 8
    """How many requests to the server run at once."""
    on_error: Literal["raise", "passthrough"] = "raise"
    """What is done where scoring fails: `"raise"`, or `"passthrough"`: the first `top_n` are kept in the
    order they came in, no threshold applied, with `rerank_error` in place of `rerank_score`."""
    scorer: SkipValidation[Scorer | None] = Field(default=None)
    """A ready scorer, used in place of one loaded by the fields above."""
    prefilter: SkipValidation[Scorer | str | None] = Field(default=None)
    """A cheaper scorer that chooses what is reranked: `"bm25"`, `"bge-m3"` (the lexical weights of that
    embedder), the name of a model, or a ready one."""
    keep: int = 100
    """How many the prefilter leaves, from 1 on; with `top_n=None`, that many are kept."""
    long_documents: LongDocuments = "truncate"
    """What is done with texts that do not fit beside the query: `"truncate"` leaves out their ends,
    `"window"` scores them in overlapping windows, and `rerank_span` says which was best."""
    window_tokens: int = WINDOW_TOKENS
    """The most tokens of a window and the query together, up to what the model reads."""
    latency_budget_ms: float | None = None
    """Score no more of the first candidates than earlier calls could in this time, but `top_n` at least.
    With `top_n=None` the others stay behind, in the order they came in, with `rerank_error`."""
    min_retrieval_score: float | None = None
    """The lowest first-stage score (the retriever's own scale, inclusive) to rerank and keep: where all
    are lower, nothing is left and no model is asked. Higher must be better: a distance cannot be used.
    It holds where scoring fails too. With it, every candidate must have a score."""
    fusion: Fusion | None = None
    """`"rrf"` orders by reciprocal rank fusion of the order that they came in, best first, and the
    reranker's; each has the sum as `rerank_fused`. Thresholds stay with `rerank_score`."""
    rrf_k: int = RRF_K
    """The constant of the fusion, from 1 on: the higher, the less the first ranks stand out."""
    on_ranking: Callable[[Ranking], object] | None = Field(default=None, exclude=True, repr=False)
    """Called with each request's `Ranking` before its documents or nodes are made, on the thread or the
    event loop that asked: its `tiers` say what each step kept and took, and it shows itself. What it
    raises is raised; what it returns is not used. It is not called where `on_error` passed a failure
    through, and no dump holds it."""

    _rate: MeasuredRate = PrivateAttr(default_factory=MeasuredRate)
    """What the calls so far took."""

    @field_validator("calibration", mode="before")
    @classmethod
    def _path_as_text(cls, calibration: Any) -> Any:
        return fspath(calibration) if isinstance(calibration, PathLike) else calibration

    @field_validator("scorer", mode="plain")
    @classmethod
    def _check_scorer(cls, scorer: Any) -> Any:
        if scorer is not None and not isinstance(scorer, Scorer):
            raise ConfigurationError(f"scorer is {scorer!r:.80}, which has no score(pairs) method")
        return scorer

    @field_validator("on_ranking", mode="plain")
    @classmethod
    def _check_on_ranking(cls, on_ranking: Any) -> Any:
        if on_ranking is not None and not callable(on_ranking):
            raise ConfigurationError(
                f"on_ranking is {on_ranking!r:.80}, which cannot be called; "
                "give a function that takes a Ranking, or None"
            )
        return on_ranking

    def model_post_init(self, context: Any, /) -> None:
        """Check what pydantic's types cannot."""
        super().model_post_init(context)
        check_selection(self.top_n, self.score_threshold)
        min_logit(loaded_calibration(self.calibration), self.min_precision, self.precision_by)
        self._configured_scorer()
        check_prefilter(self.prefilter, self.keep, self.top_n)
        check_windows(self.long_documents, self.window_tokens)
        check_budget(self.latency_budget_ms)
        check_min_retrieval_score(self.min_retrieval_score)
        check_fusion(self.fusion, self.rrf_k)

    def reranker(self) -> Reranker:
        """Return a reranker by these settings; the weights are loaded when it is asked to score."""
        scorer = self._configured_scorer() if self.scorer is None else self.scorer
        return Reranker(
            scorer,
            self.top_n,
            self.score_threshold,
            prefilter=self.prefilter,
            keep=self.keep,
            long_documents=self.long_documents,
            window_tokens=self.window_tokens,
            latency_budget_ms=self.latency_budget_ms,
            rate=self._rate,
            calibration=self.calibration,
            min_precision=self.min_precision,
            precision_by=self.precision_by,
            fusion=self.fusion,
            rrf_k=self.rrf_k,
        )

    def rank(
        self, query: str, passages: Sequence[str], places: Sequence[int] | None = None
    ) -> Sequence[Ranked | Unscored]:
        """Rank passages as `Reranker.rerank` does, or do what `on_error` says where scoring fails.

        Args:
            query: What they are ranked by.
            passages: All that came, in first-stage order; an index is a place among them.
            places: Where those stand that are ranked; `None` ranks all.

        Raises:
            ScoringError: Scoring failed, and `on_error` is `"raise"`.
        """
        among = range(len(passages)) if places is None else places
        try:
            ranking = self.reranker().rerank(query, [passages[place] for place in among])
        except ScoringError as error:
            return self._passed_through(among, error)
        return self._shown(ranking if places is None else among_all(ranking, passages, places))

    async def arank(
        self, query: str, passages: Sequence[str], places: Sequence[int] | None = None
    ) -> Sequence[Ranked | Unscored]:
        """Rank as `rank` does, without blocking the event loop."""
        among = range(len(passages)) if places is None else places
        try:
            ranking = await self.reranker().arerank(query, [passages[place] for place in among])
        except ScoringError as error:
            return self._passed_through(among, error)
        return self._shown(ranking if places is None else among_all(ranking, passages, places))

    def after(self, tier: Tier) -> Self:
        """Return these settings for one request, whose `on_ranking` sees a tier ahead of its own."""
        if self.on_ranking is None:
            return self
        return self.model_copy(update={"on_ranking": partial(_shown_after, self.on_ranking, tier)})

    def _shown(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        if self.on_ranking is not None:
            self.on_ranking(ranking)
        return self._with_unscored(ranking)

    def _with_unscored(self, ranking: Ranking) -> Sequence[Ranked | Unscored]:
        """Return a ranking, and behind it what the budget left out, unless a limit leaves it out too."""
        limits = (self.top_n, self.score_threshold, self.min_precision)
        if any(limit is not None for limit in limits):
            return ranking
        reason = f"not scored within latency_budget_ms={self.latency_budget_ms}"
        return [*ranking, *(Unscored(place, reason) for place in ranking.unscored)]

    def _passed_through(self, places: Sequence[int], error: ScoringError) -> list[Unscored]:
        if self.on_error == "raise":
            raise error
        return first_stage_order(places, self.top_n, error)

    def _well_retrieved(self, scores: Sequence[object], where: str) -> list[int] | None:
        """Return the places of what `min_retrieval_score` leaves; `None` where there is no minimum."""
        check_min_retrieval_score(self.min_retrieval_score)
        if self.min_retrieval_score is None:
            return None
        return places_from(self.min_retrieval_score, scores, where)

    def _configured_scorer(self) -> LazyScorer:
        options = {name: getattr(self, name) for name in _SCORER_FIELDS}
        api_key = None if self.api_key is None else self.api_key.get_secret_value()
        return load_scorer(**options, api_key=api_key)

    def passage(self, text: str, metadata: Mapping[str, Any]) -> str:
        r"""Return what is scored for a text: its `rank_fields`, a line each, then the text.

        >>> settings = RerankerSettings(rank_fields=["title", "year"])
        >>> settings.passage("The Moon does it.", {"title": "Tides"})
        'Tides\nThe Moon does it.'
        """
        values = (metadata.get(field) for field in self.rank_fields)
        return "\n".join([*(str(value) for value in values if value not in (None, "")), text])


_SCORER_FIELDS = set(RerankerSettings.model_fields) - {
    "top_n",
    "score_threshold",
    "calibration",
    "min_precision",
    "precision_by",
    "rank_fields",
    "scorer",
    "prefilter",
    "keep",
    "long_documents",
    "window_tokens",
    "latency_budget_ms",
    "min_retrieval_score",
    "fusion",
    "rrf_k",
    "on_ranking",
    "on_error",
    "api_key",
}


def _shown_after(on_ranking: Callable[[Ranking], object], tier: Tier, ranking: Ranking) -> None:
    on_ranking(ranking.after(tier))
