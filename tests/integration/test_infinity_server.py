"""The HTTP client against a real Infinity server with `mini`: its wire format, limits and errors."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from langchain_core.documents import Document

import bge_rerank_mini
from bge_rerank import Scorer, ServerError, load_scorer
from bge_rerank.backends.http.dialects import DIALECTS
from conftest import PASSAGES, QUERY
from environments import ROOT, environment
from foreign_servers import LONGER_THAN_MINI, PAIRS, serving
from langchain_bge_rerank import BGERerankerCompressor
from scorer_contract import ScorerContract
from tiny_encoders import SENTENCES

pytestmark = pytest.mark.long

REQUIREMENTS = ROOT / "tests" / "requirements" / "infinity.txt"
MOST_TEXTS, KEY = 8, "a-key"
# Infinity reads the name of a special token in a text as that token.
here = partial(load_scorer, "mini", "torch", dtype="float32", special_tokens_in_text="keep")
there = partial(load_scorer, "mini", "infinity")
TOLERANCE = 1e-4
"""Infinity sends logits and computes in float32, so a logit changes only by the batch."""


@pytest.fixture(scope="module")
def infinity(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """The command of a server, without an address."""
    folder = tmp_path_factory.mktemp("infinity") / "environment"
    program = environment(folder, "-r", REQUIREMENTS).with_name("infinity_emb")
    what = ("--model-id", bge_rerank_mini.path(), "--served-model-name", "mini")
    how = ("--engine", "torch", "--device", "cpu", "--dtype", "float32", "--no-model-warmup")
    return [program, "v2", *what, *how]


@pytest.fixture(scope="module")
def url(infinity: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(*infinity, log=tmp_path_factory.mktemp("server") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def strict_url(
    infinity: list[str | Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server with a key that accepts few texts in a request."""
    log = tmp_path_factory.mktemp("strict-server") / "log"
    limits = {"INFINITY_MAX_CLIENT_BATCH_SIZE": str(MOST_TEXTS), "INFINITY_API_KEY": KEY}
    with serving(*infinity, log=log, **limits) as url:
        yield url


class TestInfinity(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self, url: str) -> Scorer:
        return there(base_url=url)


def test_it_sends_the_logits_of_the_model(url: str) -> None:
    assert there(base_url=url).score(PAIRS) == pytest.approx(here().score(PAIRS), abs=TOLERANCE)


async def test_concurrent_calls_get_the_logits_of_their_own_pairs(url: str) -> None:
    scorer = there(base_url=url)
    calls = [PAIRS[start::5] for start in range(5)]
    answers = await asyncio.gather(*map(scorer.ascore, calls))
    for pairs, logits in zip(calls, answers, strict=True):
        assert logits == pytest.approx(here().score(pairs), abs=TOLERANCE)


def test_a_text_longer_than_the_model_is_truncated_as_the_model_does(url: str) -> None:
    # Infinity truncates the longer text; we truncate the query to three quarters first. With a short query both do the same.
    pairs = [(QUERY, LONGER_THAN_MINI), (QUERY, PASSAGES[1] * 3_000)]
    assert there(base_url=url).score(pairs) == pytest.approx(here().score(pairs), abs=TOLERANCE)


def test_documents_come_in_the_same_order_and_with_the_same_scores(url: str) -> None:
    documents = [Document(text) for text in (*PASSAGES, *SENTENCES.values())]
    served, local = (
        BGERerankerCompressor(scorer=scorer, top_n=10).compress_documents(documents, QUERY)
        for scorer in (there(base_url=url), here())
    )
    assert [document.page_content for document in served] == [
        document.page_content for document in local
    ]
    assert [document.metadata["rerank_score"] for document in served] == pytest.approx(
        [document.metadata["rerank_score"] for document in local], abs=TOLERANCE
    )


def test_the_limits_of_the_client_are_those_of_its_openapi_description(url: str) -> None:
    [schema] = [
        schema
        for name, schema in httpx.get(f"{url}/openapi.json").json()["components"]["schemas"].items()
        if name == "RerankInput"
    ]
    documents = schema["properties"]["documents"]
    dialect = DIALECTS["infinity"]
    assert documents["maxItems"] == dialect.max_texts
    assert documents["items"]["maxLength"] == dialect.max_characters


def test_a_server_that_accepts_fewer_texts_gets_smaller_requests(strict_url: str) -> None:
    scorer = there(base_url=strict_url, api_key=KEY)
    assert scorer.score(PAIRS) == pytest.approx(here().score(PAIRS), abs=TOLERANCE)


def test_its_refusals_are_errors_with_its_message(url: str, strict_url: str) -> None:
    with pytest.raises(ServerError, match="401: Unauthorized"):
        there(base_url=strict_url).score(PAIRS)
    with pytest.raises(ServerError, match="422: String should have at most 122880 characters"):
        there(base_url=url).score([("tides " * 30_000, PASSAGES[1])])
