"""What an evaluation found: frozen, made of plain values, so that any report can be made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any, Literal

Decision = Literal["rerank", "do not rerank", "not enough data"]


@dataclass(frozen=True, slots=True)
class Gain:
    """A measure before and after reranking: means over the queries.

    Attributes:
        measure: Its name, such as `"nDCG@10"`.
        before: Of the first stage's order, 0..1.
        after: Of the reranked order, 0..1.
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
    """A gain or a loss, and whether it is more than chance.

    Attributes:
        p_value: Of the randomisation test, two-sided.
    """

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
        id: The query's id.
        query: What was asked.
        difference: nDCG@k after minus before, below 0.
        before: The first passage before reranking.
        after: The first passage after it; `None` where none was kept.
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
    """What reranking only the first candidates gives, and what it takes.

    Attributes:
        depth: How many of the first candidates are reranked, the others staying behind them in the
            first stage's order.
        after: nDCG@k of that order, the mean over the queries, 0..1.
        low: The lower end of the 95 % confidence interval of the difference to the first stage.
        high: The upper end.
        latency: Of reranking so many candidates of a query; `None` where it was not measured.
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
        share: Of the reranker's first 10 passages, the share (0..1) that was within the first
            stage's first 50; `None` where no more than 50 were reranked, as all are then.
        rank_correlation: Of the two orders of what was kept: Spearman's, -1..1, where 1 is the same
            order; `None` where fewer than two were kept.
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
    """What one model did.

    Attributes:
        name: The name that it was given.
        verdict: Whether to rerank with it.
        changes: A measure each, nDCG@k first; empty where there are too few queries.
        latency: Of reranking a query; `None` where there are too few queries.
        wins: How many queries got a higher nDCG@k.
        losses: How many got a lower one.
        ties: How many kept theirs.
        worst: The largest losses, the worst first.
        differences: nDCG@k after minus before, a value a query, in the order of measuring.
        milliseconds: What reranking took, a value a query, in the same order.
        depths: From the smallest depth to the whole one; empty where there are too few queries, or
            where the reranker's settings leave candidates out. A depth that no query has more
            candidates than is left out: it would be the whole one again.
        recommended_depth: The depth to rerank at (see `choose_depth`); `None` where there is no curve,
            or where reranking is not worth it at any depth.
        agreement: With the first stage: means, each over the queries that tell it and `None` where
            those are fewer than 30; `None` where there are too few queries.
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
        """nDCG@k at the depth recommended, or at the whole one where there is none; 0..1.

        There are figures only of enough queries.
        """
        by_depth = {point.depth: point.after for point in self.depths}
        if self.recommended_depth is None:
            return self.changes[0].after
        return by_depth[self.recommended_depth]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        settings: What was measured and how, as plain values.
        k: How many of the first passages the measures look at.
        depth: The most candidates of a query that were reranked.
        queries: How many were measured.
        relevant: How many relevant passages their labels name.
        found: How many of those were among the candidates; what is not found, no reranker can raise.
        notes: What to know when reading the figures.
        models: A result each, in the order they were given.
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
        """The model to rerank with: of those whose verdict says so, the one of the highest nDCG@k.

        Each at the depth that is recommended for it.
        """
        good = [model for model in self.models if model.verdict.decision == "rerank"]
        return max(good, key=lambda model: model.advised_after, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the values a query, which the file of queries holds."""
        contents = asdict(self)
        for model in contents["models"]:
            del model["differences"], model["milliseconds"]
        return contents | {"best": self.best and self.best.name}
