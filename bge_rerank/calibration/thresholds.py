"""Thresholds for a wanted precision or recall, tested in a fixed order.

The lowest threshold with a high enough precision on the data is often a lucky one. So a part of the
queries chooses the thresholds to test and their order. The other queries test them in this order, each
by its own bound, until the first one fails. With this fixed-sequence testing, the whole errs no more
often than a single test: "Learn then test" (Angelopoulos, Bates, Candès, Jordan, Lei 2021,
arXiv:2110.01052).

The bounds are exact if no query has more than one pair that counts. Otherwise they are conservative
approximations (`bge_rerank.calibration.bounds.effective_count`).

Labels are often too few for a guarantee. For such data, `estimates` goes down the thresholds until the
measured precision falls below the wanted one. Stopping there is right on average (optional stopping of
a martingale). Taking the last threshold of all that passes would again prefer lucky ones. The bound at
an estimate is that of a single test. `tests/unit/calibration/test_thresholds.py` measures how often it
holds for a threshold chosen in this way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from bge_rerank.calibration.bounds import Bools, Floats, Ints, precision_bound, recall_bound
from bge_rerank.calibration.calibration import Estimate, Step

ORDERING_SHARE = 0.3
"""The share of the queries that choose the thresholds to test. The other queries test them."""
GROWTH = 1.05
"""The ratio of the pairs that a threshold keeps to those that the threshold before it keeps."""
FEWEST_KEPT = 5
"""The number of pairs that the highest threshold keeps."""

Bound = Callable[[Floats, Bools, Ints, float, float], float]


def thresholds(
    logits: Floats, relevant: Bools, queries: Ints, confidence: float, seed: int = 0
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Test thresholds for precision and for recall.

    A threshold for a wanted precision or recall misses it on new queries with a chance of at most
    1 - `confidence`.

    Args:
        logits: The logit of each pair.
        relevant: The label of each pair.
        queries: The query number of each pair.
        confidence: The one-sided confidence of each bound, 0..1.
        seed: The seed that chooses the queries which decide the order of the tests.

    Returns:
        The steps for precision, from high logits to low, and the steps for recall, from low to high.
    """
    splitter = GroupShuffleSplit(1, train_size=ORDERING_SHARE, random_state=seed)
    ordering, testing = next(splitter.split(logits, groups=queries))
    candidates = _candidates(logits[ordering])

    def bounds(bound: Bound, at: Floats, part: Ints) -> Floats:
        data = logits[part], relevant[part], queries[part]
        return np.array([bound(*data, float(threshold), confidence) for threshold in at])

    # The highest thresholds keep too few pairs for a useful bound, so start at the best bound.
    first = int(np.argmax(bounds(precision_bound, candidates, ordering)))
    falling, rising = candidates[first:], candidates[::-1]
    return (
        passed(falling, bounds(precision_bound, falling, testing)),
        passed(rising, bounds(recall_bound, rising, testing)),
    )


def estimates(
    logits: Floats, relevant: Bools, queries: Ints, confidence: float
) -> tuple[Estimate, ...]:
    """Return thresholds with the precision measured on all data, from high logits to low.

    The first threshold has the highest bound, as in `thresholds`.

    Args:
        logits: The logit of each pair.
        relevant: The label of each pair.
        queries: The query number of each pair.
        confidence: The one-sided confidence of each bound, 0..1.
    """
    at = _candidates(logits)
    bounds = np.array(
        [precision_bound(logits, relevant, queries, float(each), confidence) for each in at]
    )
    seen = np.array([relevant[logits >= each].mean() for each in at])
    first = int(np.argmax(bounds))
    at, seen, bounds = at[first:], _lowest(seen[first:]), _lowest(bounds[first:])
    last = _is_last(seen, bounds)
    return tuple(
        Estimate(*map(float, each)) for each in zip(at[last], seen[last], bounds[last], strict=True)
    )


def passed(at: Floats, bounds: Floats) -> tuple[Step, ...]:
    """Return the last threshold that passes, for every share that could be wanted.

    A wanted share passes all thresholds before the first one whose bound is below it. So the bound of
    each threshold is the lowest bound up to it.

    Args:
        at: The thresholds, in the order of their tests.
        bounds: The bound at each threshold.

    >>> passed(np.array([3.0, 2.0, 1.0, 0.0]), np.array([0.9, 0.95, 0.9, 0.5]))
    (Step(logit=1.0, bound=0.9), Step(logit=0.0, bound=0.5))
    """
    lowest = _lowest(bounds)
    last = _is_last(lowest)
    return tuple(Step(*map(float, each)) for each in zip(at[last], lowest[last], strict=True))


def _lowest(shares: Floats) -> Floats:
    """Return the lowest share up to each position."""
    lowest: Floats = np.minimum.accumulate(shares)
    return lowest


def _is_last(*falling: Floats) -> Bools:
    """Return whether each position is the last one with its shares: the next has a lower one."""
    return np.append(np.any([each[1:] < each[:-1] for each in falling], axis=0), True)


def _candidates(logits: Floats) -> Floats:
    """Return logits from high to low, each of which keeps more pairs than the one before."""
    ordered = np.sort(logits)[::-1]
    most = np.log(len(ordered) / FEWEST_KEPT) / np.log(GROWTH)
    counts = FEWEST_KEPT * GROWTH ** np.arange(max(0, np.ceil(most)) + 1)
    places = np.minimum(np.ceil(counts).astype(int), len(ordered)) - 1
    return np.unique(ordered[places])[::-1]
