"""The author of a passage cannot raise its score with the names of special tokens."""

from statistics import fmean

import pytest

from bge_rerank import load_scorer
from bge_rerank.data.demo import demo_collection
from bge_rerank.models.config import SpecialTokensInText

COLLECTION = demo_collection()
PREFIX = "[MASK] " * 20


def lift(how: SpecialTokensInText) -> float:
    """Return the mean increase of the logit when irrelevant passages get the prefix."""
    scorer = load_scorer("mini", "torch", dtype="float32", special_tokens_in_text=how)
    questions = list(COLLECTION.questions.values())[::6]
    passages = [passage.text for passage in COLLECTION.passages[: len(questions)]]
    pairs = list(zip(questions, passages, strict=True))
    plain = scorer.score(pairs)
    raised = scorer.score([(question, PREFIX + passage) for question, passage in pairs])
    return fmean(after - before for after, before in zip(raised, plain, strict=True))


@pytest.mark.usefixtures("mini")
def test_mask_tokens_raise_the_score_of_a_passage_only_if_kept() -> None:
    escaped, kept = lift("escape"), lift("keep")
    print(f"escaped {escaped:+.2f}, kept {kept:+.2f}")
    # The test can fail: if the tokens are kept, the prefix raises the score.
    assert kept > 1.5
    assert escaped < 1
