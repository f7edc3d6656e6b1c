"""If most queries are keywords that reranking does not help, the verdict says so."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bge_rerank.evaluation import LabelledQuery, ModelResult, evaluate
from bge_rerank.evaluation.keyword_queries import is_keywords, why_not_keywords


class RightOnQuestions:
    """Ranks the answer first for questions; for keywords, keeps the first stage's order."""

    def __init__(self, *, right_on_keywords: bool = False) -> None:
        self.right_on_keywords = right_on_keywords

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [
            float(text == "answer" and (self.right_on_keywords or not is_keywords(query)))
            for query, text in pairs
        ]


def queries(keywords: int, questions: int) -> list[LabelledQuery]:
    """Return queries whose answer the first stage ranks second."""
    texts = [f"SKU-{number}" for number in range(keywords)]
    texts += [f"what is the weight of item {number}" for number in range(questions)]
    candidates = [("other", "other"), ("answer", "answer")]
    return [LabelledQuery(text, text, candidates, {"answer": 1}) for text in texts]


def judged(
    keywords: int, questions: int, scorer: RightOnQuestions, output: Path | None = None
) -> ModelResult:
    [model] = evaluate(queries(keywords, questions), {"m": scorer}, output=output).models
    return model


def test_a_majority_of_keywords_that_gain_nothing_speaks_against_reranking() -> None:
    model = judged(21, 19, RightOnQuestions())
    assert model.changes[0].low > 0.05
    assert model.verdict.decision == "do not rerank"
    assert model.recommended_depth is None
    assert "21 of 40 have 2 words or fewer" in model.verdict.reasons[0]
    assert "so rerank only the other queries" in model.verdict.reasons[0]


@pytest.mark.parametrize(
    ("keywords", "scorer"),
    [(20, RightOnQuestions()), (21, RightOnQuestions(right_on_keywords=True))],
)
def test_half_of_keywords_or_keywords_that_gain_do_not_speak_against_reranking(
    keywords: int, scorer: RightOnQuestions
) -> None:
    assert judged(keywords, 40 - keywords, scorer).verdict.decision == "rerank"


def test_a_resumed_evaluation_knows_which_queries_are_keywords(tmp_path: Path) -> None:
    whole = judged(40, 0, RightOnQuestions(), tmp_path)
    again = judged(40, 0, RightOnQuestions(), tmp_path)
    assert again.verdict == whole.verdict
    assert whole.verdict.reasons[0].startswith("most queries are keywords (40 of 40 ")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tides", True),
        ("  tide   tables ", True),
        ("what causes tides", False),
        ("天氣", True),
        ("潮汐是怎么形成的", False),
        ("กระแสน้ำขึ้นน้ำลงเกิดขึ้นได้อย่างไร", False),
    ],
)
def test_keywords_are_two_words_or_fewer_in_any_script(query: str, expected: bool) -> None:
    assert is_keywords(query) is expected


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.floats(-1, 1)), min_size=4))
def test_only_a_majority_of_keywords_is_a_reason(values: list[tuple[bool, float]]) -> None:
    keywords, differences = zip(*values, strict=True)
    reason = why_not_keywords(keywords, differences)
    if sum(keywords) <= len(keywords) / 2:
        assert reason is None
    elif max(differences) <= 0:
        assert reason is not None
