"""Other packages' clients work unchanged with our server, and show its errors."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import foreign_clients
from bge_rerank import Reranker, load_scorer
from environments import ROOT, environment, run
from served import serving

KEY = "the-key"
WRONG_KEY = "another-key"
REQUIREMENTS = {"CLIENTS": "clients", "LANGCHAIN_COMMUNITY": "langchain_community"}
"""The groups of clients, and the file of requirements of each group's environment."""
NAMES = [client.__name__ for group in REQUIREMENTS for client in getattr(foreign_clients, group)]
TAKES_NO_TOP_N = {"litellm_tei"}
"""TEI's requests have no `top_n`, and this client does not shorten the answers itself."""
READS_NO_ERRORS = {"llama_index_tei"}
"""This client reads an error as a ranking, and then fails."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    scorer = load_scorer("mini", "torch", dtype="float32").loaded()
    with serving(scorer, api_key=KEY) as url:
        yield url


@pytest.fixture(scope="module")
def answers(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return the answer and the error of each client: with the right key, and with a wrong one."""
    folder = tmp_path_factory.mktemp("clients")
    lines: list[str] = []
    for group, name in REQUIREMENTS.items():
        python = environment(folder / name, "-r", ROOT / "tests" / "requirements" / f"{name}.txt")
        script = foreign_clients.__file__
        lines += run(python, script, group, url, KEY, WRONG_KEY, cwd=folder).splitlines()
    return {
        name: said for name, *said in (json.loads(line) for line in lines if line.startswith("["))
    }


def ranked_here() -> Sequence[tuple[int, float]]:
    reranker = Reranker(load_scorer("mini", "torch", dtype="float32"), top_n=None)
    ranking = reranker.rerank(foreign_clients.QUERY, foreign_clients.PASSAGES)
    return [(ranked.index, ranked.score) for ranked in ranking]


@pytest.mark.parametrize("client", NAMES)
def test_a_client_gets_the_same_ranking_as_in_process(
    answers: dict[str, list[Any]], client: str
) -> None:
    answer, _ = answers[client]
    top_n = None if client in TAKES_NO_TOP_N else foreign_clients.TOP_N
    expected = ranked_here()[:top_n]
    assert [index for index, _ in answer] == [index for index, _ in expected]
    assert [score for _, score in answer] == pytest.approx(
        [score for _, score in expected], abs=1e-5
    )


@pytest.mark.parametrize("client", sorted(set(NAMES) - READS_NO_ERRORS))
def test_a_client_shows_the_servers_error_message(
    answers: dict[str, list[Any]], client: str
) -> None:
    _, error = answers[client]
    assert "the API key is missing or wrong" in error
