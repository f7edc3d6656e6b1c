"""Memory holds some numbers of each query, and only the texts of the worst losses."""

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bge_rerank.evaluation import LabelledQuery, evaluate
from labelled_queries import CANDIDATES, labelled_queries


class Same:
    """Gives all passages the same score, so that the tests at the end have nothing to do."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [0.0 for _ in pairs]


class CountedText(str):
    """A text that counts how many of its class are in memory."""

    __slots__ = ()
    held = 0

    def __init__(self, _text: str) -> None:
        CountedText.held += 1

    def __del__(self) -> None:
        CountedText.held -= 1


def test_memory_holds_the_texts_of_one_query_out_of_500(tmp_path: Path) -> None:
    most = 0

    def queries() -> Iterator[LabelledQuery]:
        nonlocal most
        for query in labelled_queries(500):
            candidates = [(id_, CountedText(text)) for id_, text in query.candidates or ()]
            most = max(most, CountedText.held)
            yield replace(query, candidates=candidates)

    # The next test includes results by depth.
    evaluation = evaluate(queries(), {"same": Same()}, output=tmp_path, depths=[])
    assert evaluation.queries == 500
    assert most <= 3 * CANDIDATES  # of the query before, this one, and the next


def test_a_query_leaves_some_hundred_bytes_in_memory(tmp_path: Path) -> None:
    held: dict[int, int] = {}

    def queries() -> Iterator[LabelledQuery]:
        for number, query in enumerate(labelled_queries(200, words_of_text=200)):
            if number in (50, 199):
                held[number] = tracemalloc.get_traced_memory()[0]
            yield query
        # Tracing would slow the resampling that follows.
        tracemalloc.stop()

    tracemalloc.start()
    evaluate(queries(), {"same": Same()}, output=tmp_path)
    assert (held[199] - held[50]) / 149 < 800  # a query's texts have 14,000
