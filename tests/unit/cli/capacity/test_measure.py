"""Passes are measured as the server would make them, and rates are read back as they were written."""

import json
from pathlib import Path
from time import sleep

import pytest

from bge_rerank import InvalidInputError
from bge_rerank.cli.capacity import measure
from bge_rerank.cli.capacity.measure import measure_rates
from bge_rerank.cli.capacity.rates import Rates, read_rates
from bge_rerank.ranking.prefilter import Prefilter
from bge_rerank.server.options import PassOptions

PASSAGES = [f"{number} {'words ' * 20}" for number in range(60)]


class Slow:
    """Takes a tenth of a millisecond a pair, and remembers the sizes of its calls."""

    def __init__(self, *, takes_turns: bool = True, tokens: int = 1_024) -> None:
        self.takes_turns, self.max_batch_tokens = takes_turns, tokens
        self.sizes: list[int] = []

    def score(self, pairs, /):
        self.sizes.append(len(set(pairs)))
        sleep(1e-4 * len(pairs))
        return [0.0] * len(pairs)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch) -> None:
    monkeypatch.setattr(measure, "ROUNDS", (5, 5))


def measured(scorer: Slow, depth: int, prefilter: Prefilter | None = None, **passes) -> Rates:
    options = PassOptions(**passes)
    queries = [f"query {number}" for number in range(40)]
    labels = {"model": "slow", "machine": "machine"}
    return measure_rates(scorer, queries, PASSAGES, depth, options, **labels, first=prefilter)


def test_small_requests_share_passes_up_to_the_server_s_limit() -> None:
    scorer = Slow()
    rates = measured(scorer, depth=10, pass_pairs=64)
    assert [*rates.seconds] == [1, 2, 4, 6]
    assert set(scorer.sizes) == {10, 20, 40, 60}
    assert all(len(times) == 5 for times in rates.seconds.values())
    assert min(rates.seconds[6]) > min(rates.seconds[1]) > 0.001
    assert (rates.turns, rates.at_once) == (1, 1)


def test_requests_that_are_too_large_to_share_run_beside_each_other_by_batches() -> None:
    rates = measured(Slow(tokens=100), depth=30)
    assert [*rates.seconds] == [1]
    assert rates.turns > 4
    assert rates.at_once == 2


def test_a_scorer_without_turns_is_given_pieces() -> None:
    rates = measured(Slow(takes_turns=False), depth=50, pass_pairs=20)
    assert rates.turns == 3
    assert rates.at_once > 2


def test_a_prefilter_s_time_is_measured_and_its_passages_are_scored() -> None:
    scorer = Slow()
    rates = measured(scorer, 50, Prefilter(Slow(), keep=5), pass_pairs=5)
    assert rates.depth == 5
    assert set(scorer.sizes) == {5}
    assert rates.before > 0.004
    assert 0 < rates.lookup < 1


def test_too_few_passages_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"^depth is 61, but there are 60 passages"):
        measured(Slow(), depth=61)


def test_times_between_measured_numbers_of_requests_are_interpolated() -> None:
    from random import Random

    rates = Rates("m", "machine", 10, {1: (0.1, 0.2), 3: (0.3, 0.4)})
    drawn = [rates.draw(2, Random(seed)) for seed in range(300)]
    assert min(drawn) >= 0.2
    assert max(drawn) < 0.301
    assert sum(drawn) / 300 == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rates": {"seconds": {"1": []}}}', '{"rates": {"seconds": {"1": [-1]}}}']
)
def test_a_file_without_rates_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="does not hold measured rates"):
        read_rates(path)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_rates(tmp_path / "none.json")


def test_rates_of_a_wrong_form_are_refused(tmp_path: Path) -> None:
    fields = Rates("m", "machine", 10, {2: (0.1,)}).as_json()
    path = tmp_path / "rates.json"
    path.write_text(json.dumps({"rates": fields}))
    with pytest.raises(InvalidInputError, match="does not hold measured rates"):
        read_rates(path)
