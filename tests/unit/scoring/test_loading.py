import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from bge_rerank import (
    AsyncScorer,
    ConfigurationError,
    MissingDependencyError,
    ModelLoadError,
    load_scorer,
)
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.registry import BACKENDS, asks_server, scorer_class
from bge_rerank.scoring import loading as loading_module


@dataclass
class CountedScorer:
    """A backend's class that counts its instances."""

    config: ScorerConfig
    made: ClassVar[list[ScorerConfig]] = []
    passes: ClassVar[list[int]] = []

    def __post_init__(self) -> None:
        self.made.append(self.config)

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.passes.append(len(pairs))
        return [0.0] * len(pairs)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[ScorerConfig]:
    monkeypatch.setattr(loading_module, "_loaded", {})
    monkeypatch.setattr(loading_module, "_gathering", {})
    monkeypatch.setattr(loading_module, "scorer_class", lambda name: CountedScorer)
    monkeypatch.setattr(CountedScorer, "made", [])
    monkeypatch.setattr(CountedScorer, "passes", [])
    return CountedScorer.made


PAIRS = [("q", "p")]


def test_nothing_is_loaded_before_the_first_score(made: list[ScorerConfig]) -> None:
    scorer = load_scorer("mini", "torch")
    assert scorer.score([]) == []
    assert made == []
    scorer.score(PAIRS)
    assert len(made) == 1


def test_threads_that_ask_for_one_configuration_load_it_once(made: list[ScorerConfig]) -> None:
    threads = [
        threading.Thread(target=load_scorer("mini", "torch").score, args=(PAIRS,))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_auto_shares_the_weights_of_the_backend_that_it_chooses(made: list[ScorerConfig]) -> None:
    load_scorer("mini").score(PAIRS)
    load_scorer("mini", "torch").score(PAIRS)
    assert [config.backend for config in made] == ["torch"]


def test_another_configuration_is_another_scorer(made: list[ScorerConfig]) -> None:
    load_scorer("mini", "torch").score(PAIRS)
    load_scorer("mini", "torch", max_length=128).score(PAIRS)
    assert [config.max_length for config in made] == [None, 128]


def test_another_cache_or_wait_does_not_load_the_weights_again(
    made: list[ScorerConfig],
) -> None:
    load_scorer("mini", "torch").score(PAIRS)
    load_scorer("mini", "torch", batch_wait_ms=0).score(PAIRS)
    load_scorer("mini", score_cache="memory").score(PAIRS)
    load_scorer("mini", batch_wait_ms=7, score_cache="memory").score(PAIRS)
    assert len(made) == 1


def concurrent_calls(*names: str, **options: Any) -> list[Any]:
    """Make a scorer and a call for each name, all at the same time."""

    async def call() -> list[Any]:
        scorers = [load_scorer("mini", "torch", **options) for _ in names]
        waiting = [
            scorer.ascore([(name, "p")]) for scorer, name in zip(scorers, names, strict=True)
        ]
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(call())


def test_calls_that_wait_for_the_weights_share_a_load_and_a_pass(made: list[ScorerConfig]) -> None:
    assert isinstance(load_scorer("mini"), AsyncScorer)
    assert concurrent_calls(*"abcdefgh") == [[0.0]] * 8
    assert concurrent_calls(*"abcdefgh") == [[0.0]] * 8
    assert len(made) == 1
    assert CountedScorer.passes == [8, 8]


def test_with_no_wait_every_call_is_a_pass(made: list[ScorerConfig]) -> None:
    assert concurrent_calls(*"abcd", batch_wait_ms=0) == [[0.0]] * 4
    assert len(made) == 1
    assert CountedScorer.passes == [1] * 4


def test_a_failed_load_reaches_every_call_that_waits_for_it(
    made: list[ScorerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(name: str) -> Any:
        asked.append(name)
        raise ModelLoadError("nothing here")

    monkeypatch.setattr(loading_module, "scorer_class", fail)
    assert [type(outcome) for outcome in concurrent_calls(*"abcd")] == [ModelLoadError] * 4
    assert asked == ["torch"]


def test_a_failed_load_is_tried_again(
    made: list[ScorerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Any:
        raise MissingDependencyError("nothing here")

    with monkeypatch.context() as patch:
        patch.setattr(loading_module, "scorer_class", fail)
        with pytest.raises(MissingDependencyError):
            load_scorer("mini", "torch").score(PAIRS)
    load_scorer("mini", "torch").score(PAIRS)
    assert len(made) == 1


def test_an_unknown_backend_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="backend is 'onnxx'; choose one of auto"):
        load_scorer(backend="onnxx")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "FlagEmbedding", None)
    monkeypatch.delitem(__import__("sys").modules, "bge_rerank.backends.flag.scorer", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bge-rerank\[flag\]'"):
        scorer_class("flag")


def test_a_missing_mini_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bge_rerank_mini", None)
    with pytest.raises(MissingDependencyError, match="pip install bge-rerank-mini"):
        load_scorer("mini", max_length=200).score(PAIRS)


@pytest.mark.parametrize(
    ("options", "readers"),
    [
        ({"prompt": "Find passages"}, {"sentence-transformers"}),
        ({"cutoff_layers": [28]}, {"flag"}),
    ],
    ids=["prompt", "cutoff_layers"],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_option_is_refused_by_each_backend_that_does_not_read_it(
    made: list[ScorerConfig],
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    options: dict[str, Any],
    readers: set[str],
) -> None:
    monkeypatch.setattr(loading_module, "scorer_class", lambda _: CountedScorer)
    monkeypatch.setattr(loading_module, "lacks_export", lambda _: False)
    url = {"base_url": "http://server"} if asks_server(backend) else {}
    scorer = load_scorer("mini", backend, **options, **url)
    if backend in readers:
        assert scorer.score([("q", "a")]) == [0.0]
    else:
        [name] = options
        with pytest.raises(
            ConfigurationError, match=f"{name} has no effect in backend '{backend}'"
        ):
            scorer.score([("q", "a")])
        assert made == []
