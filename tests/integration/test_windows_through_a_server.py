"""Long documents through a server have the windows and the scores that they have without a server."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import Reranker, ServerError, load_scorer
from bge_rerank.backends.http import windows
from bge_rerank.types import Scorer
from bge_rerank.windows import estimated_offsets, fitting_windows
from fake_server import FakeServer, ask, running, silent_for, status, words, words_in_bytes
from served import serving

SHORT, LONG = "what causes tides", "what raises the water of the sea twice a day? " * 60
TEXTS = [
    "The Moon's gravity raises the tides; e.g. in the Bay of Fundy (16.3 m). " * 30,
    "Die Flut läuft öfter über den Prüfstand – naïve Übermäßigkeit à la carte. " * 25,
    "潮汐是由月球和太阳的引力造成的。海水每天涨落两次。" * 40,
    "🌊👩‍🚀🏴‍☠️ tides 🌕" * 60 + " e\u0301\u200d½ﬁ " * 20,
    "Bread rises on yeast.",
    "",
]


def weights(max_length: int = 512) -> Scorer:
    return load_scorer("mini", "torch", dtype="float32", max_length=max_length).loaded()


def ranked(scorer: Scorer, query: str, **options: Any) -> list[tuple[int, Any, float]]:
    """Return index, span and logit of each text, best first."""
    reranker = Reranker(scorer, top_n=None, long_documents="window", **options)
    return [(each.index, each.span, each.logit) for each in reranker.rerank(query, TEXTS)]


@pytest.fixture
def tei() -> Iterator[FakeServer]:
    with running(FakeServer("tei", tokens=words_in_bytes)) as server:
        yield server


# Our own server


@pytest.mark.parametrize("max_length", [64, 200, 512])
def test_windows_and_scores_through_our_server_are_those_without_it(max_length: int) -> None:
    local = weights(max_length)
    with serving(local) as url:
        remote = load_scorer("m", "tei", base_url=url)
        for query in (SHORT, LONG):
            for window_tokens in (64, 3_000):
                cut = remote.windows(query, TEXTS, window_tokens)
                assert cut == local.windows(query, TEXTS, window_tokens)  # type: ignore[attr-defined]
                assert max(map(len, cut)) > 1
        expected = ranked(local, SHORT, window_tokens=150)
        given = ranked(remote, SHORT, window_tokens=150)
    assert [each[:2] for each in given] == [each[:2] for each in expected]
    assert [each[2] for each in given] == pytest.approx([each[2] for each in expected], abs=1e-4)


def test_windows_of_an_awaited_ranking_are_the_same(tei: FakeServer) -> None:
    reranker = Reranker(ask(tei), long_documents="window", window_tokens=64)
    assert asyncio.run(reranker.arerank(SHORT, TEXTS)) == reranker.rerank(SHORT, TEXTS)


# Text Embeddings Inference


@pytest.mark.parametrize("query", [SHORT, LONG])
def test_windows_follow_the_tokens_of_tei_whose_offsets_are_bytes(
    tei: FakeServer, query: str
) -> None:
    expected = fitting_windows(query, TEXTS, lambda texts: list(map(words, texts)), 100)
    assert ask(tei).windows(query, TEXTS, 100) == expected
    assert {asked["path"] for asked in tei.asked} == {"/tokenize"}
    assert not any(asked["add_special_tokens"] for asked in tei.asked)


def test_texts_are_sent_to_tokenise_in_parts_that_the_server_accepts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "PART_BYTES", 5_000)
    info = {"max_client_batch_size": 3}
    with running(FakeServer("tei", info=info, max_texts=3, tokens=words_in_bytes)) as server:
        texts = [f"tide {number} " * 10 for number in range(20)] + ["waves " * 800] * 2
        spans = ask(server).windows(SHORT, texts, 64)
        assert spans == fitting_windows(SHORT, texts, lambda of: list(map(words, of)), 64)
        parts = [asked["inputs"] for asked in server.asked]
    assert sorted(text for part in parts for text in part) == sorted([SHORT, *texts])
    assert max(map(len, parts)) == 3
    assert all(len(part) == 1 or sum(map(len, part)) < 5_000 for part in parts)


def test_a_part_that_is_too_large_for_the_server_is_halved() -> None:
    with running(FakeServer("tei", max_texts=2, tokens=words_in_bytes)) as server:
        expected = fitting_windows(SHORT, TEXTS, lambda of: list(map(words, of)), 100)
        assert ask(server).windows(SHORT, TEXTS, 100) == expected


def test_a_server_that_fails_for_now_is_asked_again_and_by_the_deadline(tei: FakeServer) -> None:
    tei.faults.extend([status(503), status(429)])
    expected = fitting_windows(SHORT, TEXTS, lambda of: list(map(words, of)), 100)
    assert ask(tei).windows(SHORT, TEXTS, 100) == expected
    tei.always = silent_for(5)
    with pytest.raises(ServerError, match=r"within deadline=0\.3 seconds"):
        ask(tei, deadline=0.3).windows(SHORT, TEXTS, 100)


# Servers that do not tell their tokens


def estimates(query: str, max_length: int) -> list[list[tuple[int, int]]]:
    return fitting_windows(query, TEXTS, estimated_offsets, max_length)


@pytest.mark.parametrize("code", [400, 403, 404, 405, 413, 422, 501])
def test_a_server_without_tokens_gets_estimated_windows_and_one_warning(
    caplog: pytest.LogCaptureFixture, code: int
) -> None:
    caplog.set_level(logging.INFO)
    with running(FakeServer("tei")) as server:
        server.always = status(code, {"error": "the route is not there"})
        scorer = ask(server)
        for _ in range(2):
            assert scorer.windows(SHORT, TEXTS, 100) == estimates(SHORT, 100)
    first, second = [each for each in caplog.records if "estimated tokens" in each.message]
    assert (first.levelname, second.levelname) == ("WARNING", "INFO")
    assert f"/tokenize answered {code}: the route is not there" in caplog.text


def test_short_texts_cause_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with running(FakeServer("vllm")) as server:
        assert ask(server).windows(SHORT, ["The Moon raises tides."], 100) == [[(0, 22)]]
    assert not caplog.records


def test_a_text_too_large_to_tokenise_gets_estimated_windows(
    tei: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "TEXT_BYTES", 1_000)
    assert ask(tei).windows(SHORT, TEXTS, 100) == estimates(SHORT, 100)
    assert not tei.asked


@pytest.mark.parametrize("code", [401, 424, 500])
def test_another_failure_is_an_error(tei: FakeServer, code: int) -> None:
    tei.always = status(code)
    with pytest.raises(ServerError, match=f"/tokenize answered {code}"):
        ask(tei).windows(SHORT, TEXTS, 100)


@pytest.mark.parametrize("backend", ["vllm", "infinity", "llamacpp", "cohere", "jina"])
def test_a_tokenizer_on_this_machine_gives_the_windows_of_its_model(
    backend: str, mini: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("mini", str(mini)):
        scorer = load_scorer(name, backend, base_url="http://127.0.0.1:9", max_length=128)
        for query in (SHORT, LONG):
            expected = weights(128).windows(query, TEXTS, 100)  # type: ignore[attr-defined]
            assert scorer.windows(query, TEXTS, 100) == expected
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


def test_a_tokenizer_in_the_cache_of_the_hub_is_used_without_the_network(hub_cache: Path) -> None:
    scorer = load_scorer(
        backend="vllm", base_url="http://127.0.0.1:9", max_length=128, cache_dir=str(hub_cache)
    )
    expected = weights(128).windows(SHORT, TEXTS, 3_000)  # type: ignore[attr-defined]
    assert scorer.windows(SHORT, TEXTS, 3_000) == expected


def test_a_damaged_tokenizer_on_this_machine_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": 7}')
    scorer = load_scorer(str(tmp_path), "vllm", base_url="http://127.0.0.1:9", max_length=128)
    assert scorer.windows(SHORT, TEXTS, 100) == estimates(SHORT, 100)
