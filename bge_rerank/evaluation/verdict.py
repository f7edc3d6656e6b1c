"""`decide`: turn figures into "rerank", "do not rerank" or "not enough data", with the reasons."""

from __future__ import annotations

from dataclasses import dataclass

from bge_rerank.errors import ConfigurationError
from bge_rerank.evaluation.result import Gain, Latency, Verdict

ENOUGH_QUERIES = 30
"""The fewest queries for which means and intervals are given."""
SMALLEST_GAIN = 0.05
"""The smallest gain of nDCG@k that is worth a model, as a share of the value before."""
TIGHT_BUDGET_MS = 50.0
"""The latency budget below which the report warns: few cross-encoders meet it."""


@dataclass(frozen=True, slots=True)
class Demands:
    """The target and the limits of an evaluation; `None` switches one off.

    Attributes:
        target: The nDCG@k (0..1) that is enough.
        latency_budget_ms: The limit of a query's latency at the 95th percentile, in milliseconds.
        corpus_size: The number of passages to search.
    """

    target: float | None = None
    latency_budget_ms: float | None = None
    corpus_size: int | None = None

    def check(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigurationError: `target` is not above 0 and up to 1, or the budget is not above 0.
        """
        if self.target is not None and not 0.0 < self.target <= 1.0:
            raise ConfigurationError(
                f"target is {self.target!r}; give an nDCG, a number above 0 and up to 1"
            )
        if self.latency_budget_ms is not None and not self.latency_budget_ms > 0:
            raise ConfigurationError(
                f"latency_budget_ms is {self.latency_budget_ms!r}; give a number of milliseconds above 0"
            )


def too_little_data(queries: int, found: int) -> str | None:
    """Say why figures are left out, or return `None` if there is enough data.

    `found` counts the relevant passages among the candidates of all queries.
    """
    if queries < ENOUGH_QUERIES:
        return f"queries measured: {queries}, needed for means: {ENOUGH_QUERIES} or more"
    if found == 0:
        return (
            "no query has a relevant passage among its candidates, so "
            "check that labels and candidates use the same ids"
        )
    return None


def decide(
    ndcg: Gain,
    latency: Latency | None,
    k: int,
    demands: Demands,
    *,
    keywords: str | None = None,
    smaller_depths: bool = False,
) -> Verdict:
    """Return "do not rerank" with each reason against it, else "rerank" with the gain.

    Args:
        ndcg: The change of nDCG@k at one depth, over enough queries.
        latency: The latency at that depth. `None`, not measured, meets any budget.
        k: How many of the first passages count.
        demands: The target and the limits.
        keywords: The reason of `why_not_keywords` against reranking, if any.
        smaller_depths: Whether smaller depths were timed too. If so, the advice does not name them.
    """
    against = [
        *([keywords] if keywords else ()),
        *_needless(ndcg, k, demands),
        *_gain_too_small(ndcg),
        *(_too_slow(latency, demands, smaller_depths=smaller_depths) if latency else ()),
    ]
    if against:
        return Verdict("do not rerank", tuple(against))
    took = f", at {_took(latency)}" if latency else ""
    return Verdict("rerank", (f"{gain(ndcg)}{took}",))


def gain(change: Gain) -> str:
    """Say how a measure changed.

    >>> gain(Gain("nDCG@10", 0.5, 0.6, 0.1, 0.05, 0.15))
    'nDCG@10 goes from 0.500 to 0.600 (+20.0 %; 95 % interval of the difference +0.050 to +0.150)'
    """
    return (
        f"{change.measure} goes from {change.before:.3f} to {change.after:.3f} "
        f"({_relative(change)}95 % interval of the difference {change.low:+.3f} to {change.high:+.3f})"
    )


def _needless(ndcg: Gain, k: int, demands: Demands) -> list[str]:
    reasons = []
    if demands.target is not None and ndcg.before >= demands.target:
        reasons.append(
            f"the first stage already reaches the target: its {ndcg.measure} is {ndcg.before:.3f}, "
            f"the target {demands.target:.3f}"
        )
    if demands.corpus_size is not None and demands.corpus_size <= k:
        reasons.append(
            f"the corpus has only {demands.corpus_size} passages, so all are among the first {k} in any "
            "order"
        )
    return reasons


def _gain_too_small(ndcg: Gain) -> list[str]:
    if ndcg.high < 0:
        return [f"reranking makes the order worse: {gain(ndcg)}"]
    if ndcg.low <= 0:
        return [f"the change is within the noise: {gain(ndcg)}"]
    if ndcg.difference < SMALLEST_GAIN * ndcg.before:
        return [f"the gain is below {100 * SMALLEST_GAIN:.0f} %: {gain(ndcg)}"]
    return []


def _too_slow(latency: Latency, demands: Demands, *, smaller_depths: bool) -> list[str]:
    budget = demands.latency_budget_ms
    if budget is None or latency.p95 <= budget:
        return []
    advice = "a smaller model or int8" if smaller_depths else "a smaller model, int8, or less depth"
    took = _took(latency)
    return [f"reranking is too slow: {took}, over the budget of {budget:g} ms, so try {advice}"]


def _took(latency: Latency) -> str:
    return f"{latency.p95:.1f} ms per query at the 95th percentile"


def _relative(change: Gain) -> str:
    return "" if change.before == 0 else f"{100 * change.difference / change.before:+.1f} %; "
