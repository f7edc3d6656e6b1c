"""Thresholds that keep a wanted precision or recall: tested one after another, in a set order.

To take the lowest threshold whose precision happened to be high enough finds one that was lucky.
Here a part of the queries says which thresholds are tested, and in which order; the others test
them, each by a bound that holds by itself, up to the first one that fails. By this order (fixed
sequence testing) the whole errs as rarely as one test does: "Learn then test" (Angelopoulos, Bates,
Candès, Jordan, Lei 2021, arXiv:2110.01052).

The bounds are exact where no query has more than one pair that counts, and careful approximations
where pairs come in clusters (`bge_rerank.calibration.bounds.effective_count`).

Labels are often too few for such a promise. `estimates` goes down the thresholds until the precision
seen falls below what is wanted. A count that stops there is right on average (optional stopping of a
martingale); the last threshold that passes, looked back for, is a lucky one. The bound at that threshold
is that of a single test; how often it holds, chosen so, is measured in `tests/unit/calibration/test_thresholds.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from bge_rerank.calibration.bounds import Bools, Floats, Ints, precision_bound, recall_bound
from bge_rerank.calibration.calibration import Estimate, Step

ORDERING_SHARE = 0.3
"""Of the queries, how many say which thresholds are tested; the others test them."""
GROWTH = 1.05
"""Each threshold keeps so many times the pairs of the one before: few tests, and none far apart."""
FEWEST_KEPT = 5
"""Pairs that the highest threshold keeps, of those that give the order."""

Bound = Callable[[Floats, Bools, Ints, float, float], float]


def thresholds(
    logits: Floats, relevant: Bools, queries: Ints, confidence: float, seed: int = 0
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Test thresholds for precision and for recall, by each pair's logit, label and query number.

    `confidence` (0..1, one-sided) is that of each bound. A threshold for a wanted precision or recall
    misses it on new queries with a chance of at most 1 - `confidence`. The seed chooses the queries
    that give the order.

    Returns:
        The steps for precision, from high logits to low, and those for recall, from low to high.
    """
    splitter = GroupShuffleSplit(1, train_size=ORDERING_SHARE, random_state=seed)
    ordering, testing = next(splitter.split(logits, groups=queries))
    candidates = _candidates(logits[ordering])

    def bounds(bound: Bound, at: Floats, part: Ints) -> Floats:
        data = logits[part], relevant[part], queries[part]
        return np.array([bound(*data, float(threshold), confidence) for threshold in at])

    # The highest thresholds keep too few pairs to show anything: the order starts where most is shown.
    first = int(np.argmax(bounds(precision_bound, candidates, ordering)))
    falling, rising = candidates[first:], candidates[::-1]
    return (
        passed(falling, bounds(precision_bound, falling, testing)),
        passed(rising, bounds(recall_bound, rising, testing)),
    )


def estimates(
    logits: Floats, relevant: Bools, queries: Ints, confidence: float
) -> tuple[Estimate, ...]:
    """Return thresholds by the precision on all of the data, from high logits to low.

    The first one has the highest bound, as in `thresholds`. `confidence` (0..1) is one-sided.
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
    """Return, for every share that could be wanted, the last threshold up to which all pass.

    Thresholds are given in the order of their tests. A wanted share passes all of them before the
    first whose bound lies below it, so a threshold counts with the lowest bound up to it.

    >>> passed(np.array([3.0, 2.0, 1.0, 0.0]), np.array([0.9, 0.95, 0.9, 0.5]))
    (Step(logit=1.0, bound=0.9), Step(logit=0.0, bound=0.5))
    """
    lowest = _lowest(bounds)
    last = _is_last(lowest)
    return tuple(Step(*map(float, each)) for each in zip(at[last], lowest[last], strict=True))


def _lowest(shares: Floats) -> Floats:
    """Return of each place the lowest share up to it."""
    lowest: Floats = np.minimum.accumulate(shares)
    return lowest


def _is_last(*falling: Floats) -> Bools:
    """Say of each place whether one of these shares is lower at the next: it is the last with its own."""
    return np.append(np.any([each[1:] < each[:-1] for each in falling], axis=0), True)


def _candidates(logits: Floats) -> Floats:
    """Return logits that keep ever more pairs, from high to low."""
    ordered = np.sort(logits)[::-1]
    most = np.log(len(ordered) / FEWEST_KEPT) / np.log(GROWTH)
    counts = FEWEST_KEPT * GROWTH ** np.arange(max(0, np.ceil(most)) + 1)
    places = np.minimum(np.ceil(counts).astype(int), len(ordered)) - 1
    return np.unique(ordered[places])[::-1]
