"""What an evaluation found: frozen, made of plain values, so that any report can be made from it."""

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
        measure: The measure's name, such as `"nDCG@10"`.
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
    """A gain or a loss, with the two-sided p-value of the randomisation test."""

    p_value: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage as a report shows it: its id, and how its text begins."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A query that reranking made worse.

    Attributes:
        difference: nDCG@k after minus before, below 0.
        before: The first passage before reranking.
        after: The first passage after reranking; `None` where none was kept.
    """

    id: str
    query: str
    difference: float
    before: Shown
    after: Shown | None


@dataclass(frozen=True, slots=True)
class Latency:
    """The time that reranking one query takes, in milliseconds: median and 95th percentile."""

    p50: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        """Return the percentiles of two times or more, interpolated.

        >>> Latency.of([10.0, 20.0, 30.0])
        Latency(p50=20.0, p95=29.0)
        """
        parts = quantiles(milliseconds, n=100, method="inclusive")
        return cls(p50=parts[49], p95=parts[94])


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """Quality and latency of reranking only the first `depth` candidates of each query.

    The others stay behind them, in the first stage's order.

    Attributes:
        after: nDCG@k of the whole order, the mean over the queries, 0..1.
        low: The lower end of the 95 % confidence interval of the difference to the first stage.
        high: The upper end.
        latency: `None` where it was not measured.
    """

    depth: int
    after: float
    low: float
    high: float
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the reranked order agrees with the first stage's.

    Attributes:
        share: The share (0..1) of the reranker's first 10 passages that the first stage had among its
            first 50; `None` where 50 or fewer were reranked.
        rank_correlation: Spearman's, -1..1, of the two orders of the passages kept, where 1 is the
            same order; `None` where fewer than two were kept.
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
    """Counts, figures and verdict of one model. With too few queries, it has no figures.

    Attributes:
        changes: One for each measure, nDCG@k first; empty with too few queries.
        latency: The latency of a query; `None` with too few queries.
        wins: How many queries got a higher nDCG@k.
        losses: How many queries got a lower nDCG@k.
        ties: How many queries kept their nDCG@k.
        worst: The largest losses, the worst first.
        differences: nDCG@k after minus before, a value a query, in the order of measuring.
        milliseconds: Latencies, a value a query, in the same order.
        depths: From the smallest depth to the whole one, without depths that no query has more
            candidates than; empty with too few queries, or where the reranker's settings leave
            candidates out.
        recommended_depth: The depth to rerank at (see `choose_depth`); `None` where there is no curve,
            or where reranking is not worth it at any depth.
        agreement: Means of the agreement with the first stage, each `None` where fewer than 30 queries
            tell it; `None` with too few queries.
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
        """nDCG@k at the recommended depth, by default at the whole one, 0..1; needs figures."""
        by_depth: dict[int | None, float] = {point.depth: point.after for point in self.depths}
        return by_depth.get(self.recommended_depth, self.changes[0].after)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        settings: The data, the models and their settings, as plain values.
        k: How many of the first passages the measures look at.
        depth: The most candidates of a query that were reranked.
        queries: How many queries were measured.
        relevant: How many relevant passages the labels name.
        found: How many of them were among the candidates; no reranker can raise the others.
        notes: Sentences that help to read the figures.
        models: One result for each model, in the order given.
    """

    settings: Mapping[str, Any]
    k: int
    depth: int
    queries: int
    relevant: int
    found: int
    notes: tuple[str, ...]
    models: tuple[ModelResult, ...]

    @property
    def best(self) -> ModelResult | None:
        """The model with the highest nDCG@k at its recommended depth, of those worth reranking with."""
        good = [model for model in self.models if model.verdict.decision == "rerank"]
        return max(good, key=lambda model: model.advised_after, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return all but the values of single queries, which the file of queries has."""
        contents = asdict(self)
        for model in contents["models"]:
            del model["differences"], model["milliseconds"]
        return contents | {"best": self.best and self.best.name}
