"""Drift: equal scores do not drift, and every difference is measured."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import DriftError, InvalidInputError
from bge_rerank.calibration.drift import (
    Reference,
    ReferenceQuery,
    Tolerance,
    compare,
    default_tolerance,
    make_reference,
    measure_drift,
)
from bge_rerank.scoring.identity import ScoredBy
from counted_scorer import Counted, length

PAIRS = [("q", "a"), ("r", "bb"), ("q", "ccc"), ("q", "bb"), ("r", "ccc"), ("q", "a")]


def reference(score_of: Callable[[str], float] = length) -> Reference:
    return make_reference(Counted(score_of), PAIRS, Tolerance(0.25, 0.02))


def test_a_reference_holds_each_pair_once_by_query_in_order() -> None:
    made = reference()
    assert made.pairs == [("q", "a"), ("q", "ccc"), ("q", "bb"), ("r", "bb"), ("r", "ccc")]
    assert made.logits == [1.0, 3.0, 2.0, 2.0, 3.0]


def test_the_same_scorer_does_not_drift() -> None:
    drift = measure_drift(reference(), Counted())
    assert (drift.largest, drift.mean, drift.changed_first) == (0.0, 0.0, 0.0)
    assert drift.rank_correlation == pytest.approx(1.0)
    assert drift.faults(Tolerance(0.0, 0.0)) == []


@given(st.lists(st.floats(-20, 20), min_size=5, max_size=5))
def test_the_figures_match_their_definitions(moves: list[float]) -> None:
    made = reference()
    now = [logit + move for logit, move in zip(made.logits, moves, strict=True)]
    drift = compare(made, now, ScoredBy())
    moved = [abs(new - old) for new, old in zip(now, made.logits, strict=True)]
    assert drift.largest == max(moved)
    assert drift.mean == pytest.approx(sum(moved) / 5)
    assert -1.0 - 1e-9 <= drift.rank_correlation <= 1.0 + 1e-9
    firsts = [now[:3].index(max(now[:3])) != 1, now[3:].index(max(now[3:])) != 1]
    assert drift.changed_first == sum(firsts) / 2


def test_a_reversed_order_is_reported() -> None:
    drift = measure_drift(reference(), Counted(lambda passage: -length(passage)))
    assert drift.changed_first == 1.0
    assert drift.rank_correlation == pytest.approx(-1.0)
    assert drift.faults(Tolerance(0.25, 0.02)) == [
        "a logit moved by 6, more than 0.25",
        "100.0% of the queries have another first passage, more than 2.0%",
    ]


def test_a_model_that_gives_one_score_for_all_has_no_ranks() -> None:
    assert measure_drift(reference(), Counted(lambda _: 1.0)).rank_correlation == 0.0


def test_a_query_of_one_passage_never_has_another_first_passage() -> None:
    made = make_reference(Counted(), [("q", "a"), ("r", "bb")])
    assert measure_drift(made, Counted(lambda passage: -length(passage))).changed_first == 0.0


def test_float32_tolerates_less_than_lower_precision() -> None:
    exact = default_tolerance(ScoredBy(precision="float32"))
    assert exact.largest < default_tolerance(ScoredBy(precision="int8")).largest
    assert default_tolerance(ScoredBy()) == default_tolerance(ScoredBy(precision="bfloat16"))


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    made = replace(reference(), scored_by=ScoredBy("mini", "main", "int8", 512))
    made.save(tmp_path / "reference.json")
    assert Reference.load(tmp_path / "reference.json") == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 0}, "format 0 .* 1"),
        ({"kind": "bge-rerank calibration"}, "is no.* bge-rerank drift reference"),
        ({"queries": []}, "has no queries"),
        ({"queries": [{"query": "q", "passages": ["a"], "logits": []}]}, "1 passages and 0 logits"),
        ({"queries": [{"query": "q", "passages": ["a"], "logits": [math.nan]}]}, "not finite"),
        ({"queries": [{"query": "q", "passages": ["a"]}]}, r"queries\.0\.logits"),
        ({"tolerance": {"largest": math.nan, "changed_first": 0}}, "is out of range"),
        ({"tolerance": {"largest": 0.1, "changed_first": 2}}, "is out of range"),
    ],
)
def test_an_invalid_file_is_refused_with_its_path_and_the_reason(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "wrong.json"
    reference().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(DriftError, match=message) as caught:
        Reference.load(path)
    assert str(path) in str(caught.value)


def test_pairs_that_cannot_show_drift_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="list of pairs is empty"):
        make_reference(Counted(), [])
    with pytest.raises(InvalidInputError, match="all 5 pairs have the logit 1"):
        reference(lambda _: 1.0)
    with pytest.raises(DriftError, match="1 passages and 2 logits"):
        ReferenceQuery("q", ("a",), (1.0, 2.0))
