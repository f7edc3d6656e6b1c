"""Statistics of paired differences: a bootstrap interval of their mean, and a randomisation test.

Both are seeded, so the same differences give the same result. Smucker, Allan and Carterette, "A
Comparison of Statistical Significance Tests for Information Retrieval Evaluation" (CIKM 2007),
recommend both for measures of rankings.
"""

from __future__ import annotations

from collections.abc import Sequence

from bge_rerank.extras import needs_extra

CONFIDENCE = 0.95
RESAMPLES = 9_999
SEED = 7
BATCH_VALUES = 1_000_000
"""The number of values drawn at once, which bounds the memory."""


def bootstrap_interval(
    differences: Sequence[float], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean difference: percentiles of resampled means.

    Args:
        differences: For each of two or more queries, after minus before.
        resamples: How many means to draw.

    Raises:
        MissingDependencyError: scipy is not installed.

    >>> bootstrap_interval([0.5, 0.5, 0.5])
    (0.5, 0.5)
    """
    with needs_extra("evaluate", "a confidence interval"):
        import numpy as np
        from scipy import stats
    found = stats.bootstrap(
        (np.asarray(differences),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=resamples,
        batch=_batch(differences),
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def randomisation_p_value(differences: Sequence[float], resamples: int = RESAMPLES) -> float:
    """Return the two-sided p-value of the mean difference, if chance alone decides each sign.

    Differences of 0 are left out, because their signs do not change a sum. With few differences the
    test is exact.

    Args:
        differences: For each query, after minus before.
        resamples: How many assignments of signs to draw.

    Raises:
        MissingDependencyError: scipy is not installed.

    >>> randomisation_p_value([0.0, 0.0]), randomisation_p_value([0.1, 0.2, 0.3])
    (1.0, 0.25)
    """
    with needs_extra("evaluate", "a randomisation test"):
        import numpy as np
        from scipy import stats
    changed = [difference for difference in differences if difference]
    if len(changed) < 2:  # noqa: PLR2004 - one sign says nothing
        return 1.0
    tested = stats.permutation_test(
        (np.asarray(changed),),
        np.sum,
        permutation_type="samples",
        n_resamples=resamples,
        batch=_batch(changed),
        rng=np.random.default_rng(SEED),
    )
    return float(tested.pvalue)


def _batch(values: Sequence[float]) -> int:
    return max(1, BATCH_VALUES // len(values))
