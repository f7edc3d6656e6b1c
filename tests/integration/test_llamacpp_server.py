"""The HTTP client against a real llama.cpp server with `mini`, built from the sources on PyPI."""

import asyncio
import shutil
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import bge_rerank_mini
from bge_rerank import Reranker, ServerError, load_scorer
from bge_rerank.scoring.loading import LazyScorer
from conftest import PASSAGES, QUERY
from environments import ROOT, environment, run
from foreign_servers import LONGER_THAN_MINI, PAIRS, serving
from scorer_contract import TEXTS_OF_EVERY_KIND
from tiny_encoders import SENTENCES

pytestmark = pytest.mark.long

SOURCE = "llama-cpp-python==0.3.36"
REQUIREMENTS = ROOT / "tests" / "requirements" / "llamacpp.txt"
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "CMAKE_C_FLAGS_RELEASE": "-O1 -DNDEBUG",  # optimising takes longer than the tests
    "CMAKE_CXX_FLAGS_RELEASE": "-O1 -DNDEBUG",
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_CCACHE": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",  # otherwise it is downloaded
    "LLAMA_OPENSSL": "OFF",
}
SEGMENTS = "bert.embeddings.token_type_embeddings.weight"
TOLERANCE = 2e-2
"""The largest difference of logits. llama.cpp approximates BERT's GELU by the formula with tanh, from a table in half
precision. That changes these logits by less than 0.01."""
OTHER_TOKENS = {
    SENTENCES["Hindi"],
    TEXTS_OF_EVERY_KIND["Devanagari"],
    TEXTS_OF_EVERY_KIND["a special token's name"],
    TEXTS_OF_EVERY_KIND["one word of 2,000 letters"],
}
"""Texts that llama.cpp tokenises differently. Its WordPiece also strips spacing marks and has no longest word, and it
reads special tokens' names as text."""
SAME_TOKENS = [pair for pair in PAIRS if pair[1] not in OTHER_TOKENS]
KEY = "a-key"


@pytest.fixture(scope="module")
def llama_cpp(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of llama.cpp with a built server, which pytest's cache keeps."""
    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir(SOURCE)
    tree = folder / SOURCE.replace("==", "-").replace("llama-cpp-python", "llama_cpp_python")
    sources = tree / "vendor" / "llama.cpp"
    if not (sources / "build" / "bin" / "llama-server").is_file():
        if shutil.which("c++") is None:
            pytest.skip("needs a compiler for C++")
        _build(folder, sources, tmp_path_factory.mktemp("tools") / "environment")
    return sources


def _build(folder: Path, sources: Path, tools: Path) -> None:
    only_source = ("--no-deps", "--no-binary", ":all:")
    run(sys.executable, "-m", "pip", "download", "-q", *only_source, SOURCE, cwd=folder)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    programs = environment(tools, "-r", REQUIREMENTS).parent
    cmake, ninja = programs / "cmake", programs / "ninja"
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    with_ninja = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}")
    run(cmake, "-B", "build", *with_ninja, *options, cwd=sources)
    run(cmake, "--build", "build", "--target", "llama-server", cwd=sources)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mini` with one segment, because llama.cpp encodes both texts as one segment.

    BGE models have only one segment, so their scores match. `mini` has two, so its scores would differ.
    """
    folder = tmp_path_factory.mktemp("models") / "one-segment"
    shutil.copytree(bge_rerank_mini.path(), folder)
    tensors = load_file(folder / "model.safetensors")
    tensors[SEGMENTS][1] = tensors[SEGMENTS][0]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def model(llama_cpp: Path, folder: Path) -> Path:
    """The model as GGUF. llama.cpp's converter reads the pooler only under RoBERTa's name for it."""
    renamed = folder.with_name("renamed")
    shutil.copytree(folder, renamed)
    tensors = load_file(folder / "model.safetensors")
    renamed_tensors = {
        name.replace("bert.pooler.dense", "classifier.dense"): tensor
        for name, tensor in tensors.items()
    }
    save_file(renamed_tensors, renamed / "model.safetensors", {"format": "pt"})
    model = folder.with_name("mini.gguf")
    convert = llama_cpp / "convert_hf_to_gguf.py"
    run(sys.executable, convert, renamed, "--outtype", "f32", "--outfile", model, cwd=llama_cpp)
    return model


@pytest.fixture(scope="module")
def command(llama_cpp: Path, model: Path) -> list[str | Path]:
    return [llama_cpp / "build" / "bin" / "llama-server", "--model", model]


@pytest.fixture(scope="module")
def url(command: list[str | Path], model: Path) -> Iterator[str]:
    with serving(*command, "--reranking", log=model.with_name("log")) as url:
        yield url


@pytest.fixture(scope="module")
def here(folder: Path) -> LazyScorer:
    return load_scorer(str(folder), "torch", dtype="float32")


there = partial(load_scorer, "mini", "llamacpp")


def test_it_sends_the_logits_of_the_model(url: str, here: LazyScorer) -> None:
    assert there(base_url=url).score(SAME_TOKENS) == pytest.approx(
        here.score(SAME_TOKENS), abs=TOLERANCE
    )


def test_it_also_answers_in_the_wire_format_of_text_embeddings_inference(
    url: str, here: LazyScorer
) -> None:
    scorer = load_scorer("mini", "tei", base_url=url)
    assert scorer.score(SAME_TOKENS) == pytest.approx(here.score(SAME_TOKENS), abs=TOLERANCE)


async def test_concurrent_calls_get_the_logits_of_their_own_pairs(
    url: str, here: LazyScorer
) -> None:
    scorer = there(base_url=url)
    calls = [SAME_TOKENS[start::5] for start in range(5)]
    answers = await asyncio.gather(*map(scorer.ascore, calls))
    for pairs, logits in zip(calls, answers, strict=True):
        assert logits == pytest.approx(here.score(pairs), abs=TOLERANCE)


def test_passages_have_the_same_order_except_near_ties(url: str, here: LazyScorer) -> None:
    pairs = [pair for pair in SAME_TOKENS if pair[0] == QUERY]
    ranking = Reranker(there(base_url=url), top_n=None).rerank(QUERY, [text for _, text in pairs])
    local = here.score(pairs)
    in_its_order = [local[ranked.index] for ranked in ranking]
    assert len(set(in_its_order)) > 20
    assert all(first > second - 2 * TOLERANCE for first, second in pairwise(in_its_order))


def test_a_text_that_it_refuses_as_too_long_is_truncated_with_a_warning(
    url: str, here: LazyScorer, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [(QUERY, PASSAGES[0]), (QUERY, LONGER_THAN_MINI)]
    short, long = there(base_url=url).score(pairs)
    fits = LONGER_THAN_MINI[: len(LONGER_THAN_MINI) // 2]
    expected = here.score([(QUERY, PASSAGES[0]), (QUERY, fits)])
    assert [short, long] == pytest.approx(expected, abs=TOLERANCE)
    assert "too large to process" in caplog.text
    assert f"is truncated to {len(fits)}" in caplog.text


def test_its_refusals_are_errors_with_its_message(
    command: list[str | Path], tmp_path: Path
) -> None:
    with serving(*command, "--api-key", KEY, log=tmp_path / "log") as url:
        with pytest.raises(ServerError, match="401: Invalid API Key"):
            there(base_url=url).score(SAME_TOKENS)
        with pytest.raises(ServerError, match="501: This server does not support reranking"):
            there(base_url=url, api_key=KEY).score(SAME_TOKENS)
