"""The result of an evaluation: frozen classes of plain values, from which any report can be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any, Literal

Decision = Literal["rerank", "do not rerank", "not enough data"]


@dataclass(frozen=True, slots=True)
class Gain:
    """A measure before and after reranking: means over the queries, 0..1.

    Attributes:
        measure: The name, such as `"nDCG@10"`.
        difference: After minus before.
        low: The lower end of the difference's 95 % confidence interval.
        high: The upper end.
    """

    measure: str
    before: float
    after: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change(Gain):
    """A measure before and after, with the two-sided p-value of the randomisation test."""

    p_value: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage as a report shows it: the id, and the start of the text."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A query that reranking made worse.

    Attributes:
        difference: nDCG@k after minus before, below 0.
        before: The first passage before reranking.
        after: The first passage after reranking; `None` if none was kept.
    """

    id: str
    query: str
    difference: float
    before: Shown
    after: Shown | None


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of reranking one query, in milliseconds: median and 95th percentile."""

    p50: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        """Return the percentiles of two or more latencies, interpolated.

        >>> Latency.of([10.0, 20.0, 30.0])
        Latency(p50=20.0, p95=29.0)
        """
        parts = quantiles(milliseconds, n=100, method="inclusive")
        return cls(p50=parts[49], p95=parts[94])


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """Quality and latency if only the first `depth` candidates of each query are reranked.

    The other candidates follow in the first stage's order.

    Attributes:
        after: nDCG@k of the whole order, the mean over the queries, 0..1.
        low: The lower end of the 95 % confidence interval of the difference to the first stage.
        high: The upper end.
        latency: `None` if it was not measured.
    """

    depth: int
    after: float
    low: float
    high: float
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the reranked order agrees with the first stage's order.

    Attributes:
        share: The share (0..1) of the reranker's first 10 passages that the first stage had among its
            first 50; `None` if 50 or fewer were reranked.
        rank_correlation: Spearman's correlation of the two orders of the passages kept, -1..1; 1 is
            the same order. `None` if fewer than two were kept.
    """

    share: float | None
    rank_correlation: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to rerank, and why: each reason is a sentence."""

    decision: Decision
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelResult:
    """Counts, figures and verdict of one model. Figures need 30 queries or more.

    Attributes:
        changes: One for each measure, nDCG@k first; empty with too few queries.
        latency: The latency of a query; `None` with too few queries.
        wins: How many queries got a higher nDCG@k.
        losses: How many queries got a lower nDCG@k.
        ties: How many queries kept the same nDCG@k.
        worst: The largest losses, the worst first.
        differences: For each query, nDCG@k after minus before, in the order of measuring.
        milliseconds: For each query, the latency, in the same order.
        depths: Results by depth, ascending to the evaluation's depth. A smaller depth is left out if no query
            has more candidates than it. Empty with too few queries, or if the reranker's settings leave
            candidates out.
        recommended_depth: The depth to rerank at (see `choose_depth`). `None` without results by
            depth, or if no depth is worth it.
        agreement: Means of the agreement with the first stage; a mean of fewer than 30 values is
            `None`. `None` with too few queries.
    """

    name: str
    verdict: Verdict
    changes: tuple[Change, ...]
    latency: Latency | None
    wins: int
    losses: int
    ties: int
    worst: tuple[Loss, ...]
    differences: tuple[float, ...] = field(repr=False)
    milliseconds: tuple[float, ...] = field(repr=False)
    depths: tuple[DepthPoint, ...] = ()
    recommended_depth: int | None = None
    agreement: Agreement | None = None

    @property
    def advised_after(self) -> float:
        """nDCG@k at the recommended depth, else at the whole depth, 0..1. Needs figures."""
        by_depth: dict[int | None, float] = {point.depth: point.after for point in self.depths}
        return by_depth.get(self.recommended_depth, self.changes[0].after)


@dataclass(frozen=True, slots=True)
class ModelRun:
    """How a model really ran. An attribute is `None` if the scorer does not tell it.

    Attributes:
        model: The model's name; for an export, the model that was exported.
        revision: The commit of the hub repository, or the revision that was asked for.
        files: The folder of the model's files.
        backend: The backend that ran, after `auto`.
        precision: The precision of the numbers, such as `"bfloat16"`.
        device: The torch device, with the name of a GPU.
        max_length: The longest pair in tokens.
    """

    model: str | None = None
    revision: str | None = None
    files: str | None = None
    backend: str | None = None
    precision: str | None = None
    device: str | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that measured queries. An evaluation that was interrupted and resumed has several.

    Attributes:
        date: When it started, in UTC.
        source: Where the data was: a path or an id.
        cpu: The name of the CPU.
        cores: How many cores the process could use.
        versions: The versions of Python and of the packages in use.
        models: How each model ran, by name.
    """

    date: str
    source: str | None
    cpu: str
    cores: int
    versions: Mapping[str, str]
    models: Mapping[str, ModelRun]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        settings: The data, the models and their settings, as plain values.
        k: How many of the first passages the measures count.
        depth: The most candidates of a query that were reranked.
        queries: How many queries were measured.
        relevant: How many relevant passages the labels name.
        found: How many of these were among the candidates; no reranker can find the others.
        notes: Sentences that help to read the figures.
        models: One result for each model, in the order given.
        without_relevant: How many queries have no relevant passage. They are not measured.
        runs: The runs that measured the queries.
    """

    settings: Mapping[str, Any]
    k: int
    depth: int
    queries: int
    relevant: int
    found: int
    notes: tuple[str, ...]
    models: tuple[ModelResult, ...]
    without_relevant: int = 0
    runs: tuple[Run, ...] = ()

    @property
    def best(self) -> ModelResult | None:
        """The model with the highest nDCG@k at its recommended depth; `None` if none is worth it."""
        good = [model for model in self.models if model.verdict.decision == "rerank"]
        return max(good, key=lambda model: model.advised_after, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without those of single queries, which `evaluation.jsonl` holds."""
        contents = asdict(self)
        for model in contents["models"]:
            del model["differences"], model["milliseconds"]
        return contents | {"best": self.best and self.best.name}
