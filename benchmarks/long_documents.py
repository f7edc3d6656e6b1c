"""Measure whether a passage is found at every position of a long text, with windows and with truncation.

The script inserts a passage that answers a question at ten positions of a long text on other subjects. The
passage counts as found under two conditions. The text scores higher with it than without it, by more than
the error of bfloat16. And the window with the highest score overlaps the passage. Run from the root:

    python benchmarks/long_documents.py --words 30000 --questions 5
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bge_rerank import Reranker
from bge_rerank.data.demo import demo_collection
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Scorer

ANSWERS = 2
MARGIN = 0.3
DEPTHS = tuple(number / 9 for number in range(10))
"""The positions, from the start of the text (0) to its end (1)."""


def planted(question: str, words: int, depth: float) -> tuple[str, str, str]:
    """Return a text with a passage that answers a question, the same text without the passage, and the passage.

    Args:
        question: The id of a question of the demo collection.
        words: The approximate number of words of the text.
        depth: The position of the passage (0..1). It stands between two other passages.
    """
    collection = demo_collection()
    judged = collection.judgements[question]
    texts = {passage.id: passage.text for passage in collection.passages}
    answer = next(texts[passage] for passage, grade in judged.items() if grade == ANSWERS)
    subject = question.split("-", maxsplit=1)[0]
    others = [text for passage, text in texts.items() if not passage.startswith(subject)]
    around = list(_of_words(others, words))
    place = round(depth * len(around))
    return " ".join([*around[:place], answer, *around[place:]]), " ".join(around), answer


def recall_by_depth(
    reranker: Reranker, questions: Sequence[str], words: int, depths: Sequence[float] = DEPTHS
) -> list[float]:
    """Return the share of questions whose passage is found, for each position."""
    return [
        sum(_is_found(reranker, question, words, depth) for question in questions) / len(questions)
        for depth in depths
    ]


def _is_found(reranker: Reranker, question: str, words: int, depth: float) -> bool:
    with_it, without, answer = planted(question, words, depth)
    query = demo_collection().questions[question]
    first, second = reranker.rerank(query, [without, with_it])
    if first.index != 1 or first.logit < second.logit + MARGIN:
        return False
    place = with_it.find(answer)
    start, end = first.span or (0, len(with_it))
    return start < place + len(answer) and place < end


def windowed(scorer: Scorer, tokens: int) -> Reranker:
    """Return a reranker that divides long texts into windows of `tokens` tokens."""
    return Reranker(scorer, top_n=None, long_documents="window", window_tokens=tokens)


def _of_words(texts: Sequence[str], words: int) -> Iterator[str]:
    """Yield texts, repeated if necessary, until they have `words` words."""
    count = 0
    for text in islice(cycle(texts), words):
        if count >= words:
            return
        count += len(text.split())
        yield text


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mini", help="hub repository, folder or 'mini'")
    parser.add_argument("--words", type=int, default=30_000, help="words of the long text")
    parser.add_argument("--questions", type=int, default=5, help="number of questions")
    parser.add_argument(
        "--windows", type=int, nargs="+", default=[512, 256], help="window sizes in tokens"
    )
    arguments = parser.parse_args()
    asked = list(demo_collection().questions)
    questions = asked[:: len(asked) // arguments.questions][: arguments.questions]
    table = Table("share found at position", *(f"{depth:.2f}" for depth in DEPTHS))
    scorer = load_scorer(arguments.model, score_cache="memory")
    ways = {f"windows of {tokens} tokens": windowed(scorer, tokens) for tokens in arguments.windows}
    for way, reranker in {**ways, "truncated": Reranker(scorer, top_n=None)}.items():
        shares = [
            recall_by_depth(reranker, questions, arguments.words, [depth])[0]
            for depth in track(DEPTHS, way)
        ]
        table.add_row(way, *(f"{share:.0%}" for share in shares))
    Console().print(table)


if __name__ == "__main__":
    main()
