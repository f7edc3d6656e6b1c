"""`measure_rates`: time passes over a model on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from bge_rerank.cli.capacity.rates import Rates
from bge_rerank.errors import InvalidInputError
from bge_rerank.ranking.prefilter import Prefilter
from bge_rerank.scoring.cache import CachedScorer, open_cache
from bge_rerank.scoring.gathering import BATCHES_A_PASS, max_characters
from bge_rerank.scoring.passes import LARGE_AT_ONCE, characters
from bge_rerank.server.options import PassOptions
from bge_rerank.types import Pair, Scorer

SECONDS = 10.0
"""The time in which passes of one size are measured again and again."""
ROUNDS = (5, 40)
"""The least and the most passes of a size."""
AT_ONCE = 64
"""The requests that alternate where the server sets no limit."""
REQUESTS_SIZED = 15
"""The requests whose median size decides how the server passes them to the scorer."""


class Requests:
    """Requests to measure: questions in turn, each with passages drawn at random.

    >>> Requests(["a"], ["x", "y"], depth=2).pairs(1)
    [('a', 'y'), ('a', 'x')]
    """

    def __init__(self, queries: Sequence[str], passages: Sequence[str], depth: int) -> None:
        """Prepare requests of `depth` passages.

        Raises:
            InvalidInputError: There are fewer passages than `depth`.
        """
        if len(passages) < depth:
            raise InvalidInputError(
                f"depth is {depth}, but there are {len(passages)} passages; give a file with more to --passages"
            )
        self._queries, self._passages, self._depth = queries, passages, depth
        self._random = Random(0)  # noqa: S311 - samples, no secrets
        self._asked = 0

    def pairs(self, requests: int) -> list[Pair]:
        """Return the pairs of some requests with different queries."""
        pairs: list[Pair] = []
        for _ in range(requests):
            query = self._queries[self._asked % len(self._queries)]
            self._asked += 1
            pairs += [(query, text) for text in self._random.sample(self._passages, self._depth)]
        return pairs


def measure_rates(
    scorer: Scorer,
    queries: Sequence[str],
    passages: Sequence[str],
    depth: int,
    passes: PassOptions,
    *,
    model: str,
    machine: str,
    first: Prefilter | None = None,
) -> Rates:
    """Time requests as `bge-rerank serve` would pass them to a scorer.

    Args:
        scorer: A scorer whose weights are loaded.
        queries: The queries of the requests. As many requests as there are queries can share a pass.
        passages: The passages of the requests.
        depth: The passages of a request, before the prefilter.
        passes: The options of the server.
        model: The model, backend and precision, to show.
        machine: The machine, to show.
        first: The prefilter that chooses the passages to score.

    Raises:
        InvalidInputError: There are fewer passages than `depth`.
        ScoringError: The scorer failed.
    """
    before = 0.0
    if first is not None and first.keep < depth:
        requests = Requests(queries, passages, depth)
        before = median(_times(lambda: requests.pairs(1), lambda pairs: first.kept([pairs])))
        depth = first.keep
    requests = Requests(queries, passages, depth)
    share, turns, at_once = _division(scorer, requests, depth, passes)
    return Rates(
        model=model,
        machine=machine,
        depth=depth,
        seconds={number: _passes(scorer, requests, number) for number in _numbers(share)},
        turns=turns,
        at_once=at_once,
        before=before,
        lookup=_lookup(requests),
    )


def _division(
    scorer: Scorer, requests: Requests, depth: int, passes: PassOptions
) -> tuple[int, int, int]:
    """Return how many requests share a pass, the turns of a pass, and the passes that run at the same time."""
    alternate = AT_ONCE if passes.wait_ms == 0 else 1
    if not getattr(scorer, "takes_turns", False):
        pieces = ceil(depth / passes.pass_pairs)
        return max(1, passes.pass_pairs // depth), pieces, AT_ONCE if pieces > 1 else alternate
    size = median(characters(requests.pairs(1)) for _ in range(REQUESTS_SIZED))
    most = max_characters(scorer)
    batches = ceil(BATCHES_A_PASS * size / most)
    if size > most:
        return 1, batches, max(alternate, LARGE_AT_ONCE)
    if passes.wait_ms == 0:
        return 1, batches, alternate
    return max(1, min(passes.pass_pairs // depth, int(most / size))), 1, 1


def _numbers(share: int) -> list[int]:
    """Return the numbers of requests to measure: powers of two, and the most.

    >>> _numbers(6)
    [1, 2, 4, 6]
    """
    return sorted({*(2**power for power in range(share.bit_length())), share})


def _passes(scorer: Scorer, requests: Requests, number: int) -> tuple[float, ...]:
    return _times(lambda: requests.pairs(number), scorer.score)


def _lookup(requests: Requests) -> float:
    """Return the seconds to look up a request in a folder."""
    with TemporaryDirectory() as folder:
        cached = CachedScorer(_Zeros(), open_cache(folder), [])
        pairs = requests.pairs(1)
        return median(_times(lambda: pairs, cached.score))


class _Zeros:
    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        return [0.0] * len(pairs)


def _times(
    draw: Callable[[], list[Pair]], run: Callable[[list[Pair]], object]
) -> tuple[float, ...]:
    """Return the seconds of runs on pairs that are drawn for each. The first run is not counted."""
    least, most = ROUNDS
    times: list[float] = []
    until = inf
    while len(times) <= least or (len(times) <= most and perf_counter() < until):
        pairs = draw()
        started = perf_counter()
        run(pairs)
        times.append(perf_counter() - started)
        until = min(until, perf_counter() + SECONDS)
    return tuple(times[1:])
