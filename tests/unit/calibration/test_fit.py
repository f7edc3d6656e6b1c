"""A fit finds the true probabilities, and refuses data that cannot show them."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from bge_rerank import ConfigurationError, InvalidInputError
from bge_rerank.calibration.fit import FEWEST_QUERIES, Calibrated, calibrate, fit
from bge_rerank.calibration.mapping import Isotonic, Platt
from bge_rerank.calibration.mapping_fits import FITS, fit_platt
from bge_rerank.data.pairs import LabelledPair
from bge_rerank.scoring.identity import ScoredBy
from counted_scorer import Counted

QUERIES = 120


def made_up(slope: float = 2.0, *, step: bool = False) -> tuple[list[float], list[bool], list[str]]:
    """Return logits, labels and queries whose probability is a sigmoid, or a step, of the logit."""
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, QUERIES * 8)
    chance = np.where(logits > 1, 0.85, 0.1) if step else 1 / (1 + np.exp(-slope * logits - 1))
    relevant = draw.random(len(logits)) < chance
    return logits.tolist(), relevant.tolist(), [f"q{place // 8}" for place in range(len(logits))]


def fitted(data: tuple[list[float], list[bool], list[str]], **options: str) -> Calibrated:
    return fit(*data, ScoredBy("m"), **options)  # type: ignore[arg-type]


def test_cross_validation_chooses_the_method_that_fits_the_data() -> None:
    assert isinstance(fitted(made_up()).calibration.mapping, Platt)
    assert isinstance(fitted(made_up(step=True)).calibration.mapping, Isotonic)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_method_can_be_chosen(method: str) -> None:
    calibrated = fitted(made_up(), method=method)
    assert calibrated.method == method
    assert type(calibrated.calibration.mapping).__name__.lower() == method


def test_it_lowers_log_loss_and_calibration_error_on_queries_left_out() -> None:
    calibrated = fitted(made_up(step=True))
    after = calibrated.after[calibrated.method]
    assert after.log_loss < calibrated.before.log_loss
    assert after.calibration_error < 0.05 < calibrated.before.calibration_error


def test_no_split_divides_the_pairs_of_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up()
    query_of = dict(zip(data[0], data[2], strict=True))
    fits: list[Counter[str]] = []

    def noted(logits: np.ndarray, relevant: np.ndarray) -> Platt:
        fits.append(Counter(query_of[logit] for logit in logits))
        return fit_platt(logits, relevant)

    monkeypatch.setitem(FITS, "platt", noted)
    fitted(data, method="platt")
    assert [len(queries) for queries in fits] == [QUERIES * 4 // 5] * 5 + [QUERIES]
    assert {pairs for queries in fits for pairs in queries.values()} == {8}


def test_it_counts_its_queries_and_pairs() -> None:
    logits, relevant, queries = made_up()
    made = fitted((logits, relevant, queries)).calibration
    assert (made.queries, made.pairs, made.relevant) == (QUERIES, QUERIES * 8, sum(relevant))
    assert made.made_for == ScoredBy("m")


def test_it_scores_in_parts_and_reports_progress() -> None:
    texts = ["a" * length for length in range(1, 26)]
    pairs = [
        LabelledPair(f"q{query}", text, relevant=len(text) > 12)
        for query in range(60)
        for text in texts
    ]
    scorer, scored = Counted(), list[int]()
    calibrated = calibrate(scorer, pairs, progress=scored.append)
    assert scored == [1024, 476]
    assert [len(part) for part in scorer.passes] == scored
    assert calibrated.calibration.probability(25.0) > 0.9
    assert calibrated.calibration.probability(1.0) < 0.1


@pytest.mark.parametrize(
    ("queries", "relevant", "message"),
    [
        (29, [True, False], "there are 29 queries"),
        (30, [True, True], "0 of the 30 queries have a pair labelled not relevant"),
        (30, [False, False], "0 of the 30 queries have a pair labelled relevant"),
        (0, [], "there are 0 queries"),
    ],
)
def test_too_few_labels_are_refused_before_anything_is_scored(
    queries: int, relevant: list[bool], message: str
) -> None:
    pairs = [
        LabelledPair(f"q{query}", "a" * (1 + label), relevant=label)
        for query in range(queries)
        for label in relevant
    ]
    scorer = Counted()
    with pytest.raises(InvalidInputError, match=message):
        calibrate(scorer, pairs)
    assert scorer.passes == []


def with_change(place: int, logit: float) -> list[float]:
    logits = made_up()[0]
    logits[place] = logit
    return logits


LOGITS, RELEVANT, NAMES = made_up()


@pytest.mark.parametrize(
    ("logits", "relevant", "queries", "message"),
    [
        (LOGITS[:-1], RELEVANT, NAMES, "959 logits, 960 labels and 960 queries"),
        (with_change(7, math.nan), RELEVANT, NAMES, "the logit of pair 7 is nan"),
        (with_change(8, -math.inf), RELEVANT, NAMES, "the logit of pair 8 is -inf"),
        (LOGITS, [True] * 960, NAMES, "0 of the 120 queries have a pair labelled not relevant"),
        (LOGITS, [False] * 960, NAMES, "0 of the 120 queries have a pair labelled relevant"),
        (LOGITS[:232], RELEVANT[:232], NAMES[:232], "there are 29 queries; label 30 or more"),
        ([1.0], [True], ["q"], "there is 1 query; label 30 or more"),
        ([], [], [], "there are 0 queries"),
        (
            LOGITS,
            [True] + [False] * 959,
            NAMES,
            "1 of the 120 queries has a pair labelled relevant; label such a pair for 5 queries",
        ),
        ([-logit for logit in LOGITS], RELEVANT, NAMES, "check that the labels are not swapped"),
    ],
)
def test_data_that_cannot_be_used_are_refused(
    logits: Sequence[float], relevant: Sequence[bool], queries: Sequence[str], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        fit(logits, relevant, queries, ScoredBy())


def test_the_fewest_queries_are_enough() -> None:
    pairs = FEWEST_QUERIES * 8
    fitted((LOGITS[:pairs], RELEVANT[:pairs], NAMES[:pairs]))


def test_options_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="method is 'beta'; pass one of auto, isotonic"):
        fitted(made_up(), method="beta")
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigurationError, match=f"confidence is {confidence}"):
            fit(*made_up(), ScoredBy(), confidence=confidence)
