"""With a real model: an answer is found at every depth of a long text."""

import pytest

from bge_rerank import Reranker, load_scorer
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.data.demo import demo_collection
from long_documents import DEPTHS, planted, recall_by_depth, windowed


@pytest.mark.parametrize(
    ("words", "questions"), [(1_500, 1), pytest.param(42_000, 1, marks=pytest.mark.long)]
)
def test_windows_find_the_answer_at_every_depth_and_truncation_only_at_the_start(
    words: int, questions: int
) -> None:
    asked = list(demo_collection().questions)[::20][:questions]
    scorer = load_scorer("mini", score_cache="memory")
    assert recall_by_depth(windowed(scorer, tokens=256), asked, words) == [1.0] * len(DEPTHS)
    at_the_start, *_, at_the_end = recall_by_depth(Reranker(scorer, top_n=None), asked, words)
    assert (at_the_start, at_the_end) == (1.0, 0.0)


def test_the_planted_text_has_its_stated_length() -> None:
    [question, *_] = demo_collection().questions
    text, without, answer = planted(question, 42_000, depth=0.5)
    assert answer in text
    assert answer not in without
    mini = load_scorer("mini", "torch").loaded()
    assert isinstance(mini, EncoderScorer)
    [cut] = mini.tokens_cut([("q", text)])
    assert cut + mini.max_length > 50_000
