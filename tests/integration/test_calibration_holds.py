"""On real questions, a threshold made from one half keeps its precision on the other half."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from bge_rerank import CalibrationError, load_scorer
from bge_rerank.calibration.fit import Calibrated, fit
from bge_rerank.evaluation import read_beir
from bge_rerank.scoring.asking import score_pairs
from bge_rerank.scoring.identity import scored_by
from first_stage import first_stage

pytestmark = pytest.mark.usefixtures("mini")

CONFIDENCE = 0.95
SPLITS = 20


class Scored(NamedTuple):
    """Pairs of questions with BM25's candidates: question number, logit and label of each pair."""

    questions: np.ndarray
    logits: np.ndarray
    relevant: np.ndarray

    def of(self, questions: np.ndarray) -> "Scored":
        kept = np.isin(self.questions, questions)
        return Scored(*(column[kept] for column in self))


SCORER = load_scorer("mini", max_length=256)


@cache
def scored_candidates(folder: Path, every: int, depth: int) -> Scored:
    collection = read_beir(folder, "dev")
    texts, judgements = collection.texts, collection.judgements
    questions = {id_: collection.questions[id_] for id_ in sorted(judgements)[::every]}
    found = first_stage(texts, questions, depth)
    rows = [(number, id_, passage) for number, id_ in enumerate(found) for passage in found[id_]]
    logits = score_pairs(SCORER, [(questions[id_], texts[passage]) for _, id_, passage in rows])
    return Scored(
        np.array([number for number, _, _ in rows]),
        np.array(logits),
        np.array([judgements[id_].get(passage, 0) > 0 for _, id_, passage in rows]),
    )


def calibrated(half: Scored, seed: int) -> Calibrated:
    logits, relevant = half.logits.tolist(), half.relevant.tolist()
    queries = [str(question) for question in half.questions]
    return fit(logits, relevant, queries, scored_by(SCORER), confidence=CONFIDENCE, seed=seed)


class Met(NamedTuple):
    """The results of thresholds for a wanted precision on the other halves."""

    wanted: float
    found: int
    """The number of splits whose calibration reaches the precision; the others refuse it."""
    fell_short: int
    """The number of these splits whose other half shows a lower precision, with `CONFIDENCE`."""
    kept: int
    relevant: int


def halves(scored: Scored, seed: int) -> tuple[Scored, Scored]:
    questions = np.random.default_rng(seed).permutation(np.unique(scored.questions))
    middle = len(questions) // 2
    return scored.of(questions[:middle]), scored.of(questions[middle:])


def met(wanted: float, scored: Scored, calibrations: Sequence[Calibrated]) -> Met:
    """Apply the threshold of each split to its other half, and count the pairs kept."""
    counts = []
    for seed, made in enumerate(calibrations):
        _, other = halves(scored, seed)
        try:
            passed = other.logits >= made.calibration.precision_logit(wanted)
        except CalibrationError:
            continue
        counts.append((int(passed.sum()), int(other.relevant[passed].sum())))
    shown = [
        binomtest(relevant, kept, alternative="less").proportion_ci(CONFIDENCE).high
        for kept, relevant in counts
    ]
    fell_short = sum(high < wanted for high in shown)
    kept, relevant = (sum(column) for column in zip(*counts, (0, 0), strict=True))
    return Met(wanted, len(counts), fell_short, kept, relevant)


@pytest.mark.parametrize(
    ("every", "depth", "reached"),
    [(12, 4, 0.4), pytest.param(1, 20, 0.7, marks=pytest.mark.long)],
)
def test_a_wanted_precision_is_met_on_the_other_questions_or_refused(
    labelled_data: Path, every: int, depth: int, reached: float
) -> None:
    """`reached` is the precision that most splits can guarantee; half of the questions are few for 0.9."""
    scored = scored_candidates(labelled_data / "nq_qed", every, depth)
    calibrations = [calibrated(halves(scored, seed)[0], seed) for seed in range(SPLITS)]
    for wanted in (reached, 0.8, 0.9):
        result = met(wanted, scored, calibrations)
        print(f"{len(np.unique(scored.questions))} questions, {len(scored.logits)} pairs: {result}")
        # A split falls short if its threshold does (a chance of 1 - CONFIDENCE at most), or if the
        # other half happens to show less than the true precision (the same chance).
        assert result.fell_short <= binom.ppf(0.99, result.found, 2 * (1 - CONFIDENCE))
        if wanted == reached:
            assert result.found > SPLITS / 2
            assert result.relevant / result.kept >= wanted


@pytest.mark.parametrize(
    ("every", "depth", "wanted"), [(12, 4, 0.6), pytest.param(1, 20, 0.9, marks=pytest.mark.long)]
)
def test_an_estimated_precision_keeps_its_bound_on_the_other_questions(
    labelled_data: Path, every: int, depth: int, wanted: float
) -> None:
    """Half of the questions are enough for an estimate and its bound."""
    scored = scored_candidates(labelled_data / "nq_qed", every, depth)
    shares, bounds, fell_short = [], [], 0
    for seed in range(SPLITS):
        half, other = halves(scored, seed)
        found = calibrated(half, seed).calibration.precision_estimate(wanted)
        passed = other.logits >= found.logit
        kept, relevant = int(passed.sum()), int(other.relevant[passed].sum())
        high = binomtest(relevant, kept, alternative="less").proportion_ci(CONFIDENCE).high
        fell_short += high < found.bound
        shares.append(relevant / kept)
        bounds.append(found.bound)
    below = sum(share < bound for share, bound in zip(shares, bounds, strict=True))
    print(
        f"{len(np.unique(scored.questions))} questions, {SPLITS} splits: precision on the other half "
        f"{np.mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f}), bounds {np.mean(bounds):.3f} "
        f"({min(bounds):.3f} to {max(bounds):.3f}); {below} below their bound, {fell_short} of them "
        "by more than the other half's own chance"
    )
    assert fell_short <= binom.ppf(0.99, SPLITS, 2 * (1 - CONFIDENCE))
    # The mean over splits, less subject to chance, is at least the mean bound.
    assert np.mean(shares) >= np.mean(bounds)


@pytest.mark.parametrize(("every", "depth"), [(12, 4), pytest.param(1, 20, marks=pytest.mark.long)])
def test_probabilities_are_better_calibrated_than_the_sigmoid(
    labelled_data: Path, every: int, depth: int
) -> None:
    scored = scored_candidates(labelled_data / "nq_qed", every, depth)
    made = calibrated(scored, seed=0)
    after = made.after[made.method]
    print(f"{made.method}: {made.before.calibration_error:.4f} -> {after.calibration_error:.4f}")
    assert after.calibration_error < made.before.calibration_error / 2
    assert after.log_loss < made.before.log_loss
