"""`bge-rerank evaluate` on files and on a published collection, and retrievers as first stages."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.schema import TextNode

import langchain_bge_rerank
import llamaindex_bge_rerank
from bge_rerank import InvalidInputError, Reranker, RetrievalError, Scorer, load_scorer
from bge_rerank.cli import main
from bge_rerank.cli.demo.measure import mean_quality
from bge_rerank.data.demo import demo_collection
from bge_rerank.data.labelled import LabelledCollection
from bge_rerank.evaluation import Bm25Retriever, LabelledQuery, evaluate, read_beir
from bge_rerank.evaluation.measures import measure_rankings
from labelled_queries import labelled_queries

Searched = tuple[LabelledCollection, Bm25Retriever]


@pytest.fixture(scope="module")
def scifact(labelled_data: Path) -> Searched:
    """Return a published collection, and its first stage."""
    collection = read_beir(labelled_data / "scifact", "test")
    return collection, Bm25Retriever(collection.texts, depth=100)


def test_bm25_reaches_its_published_quality_on_scifact(scifact: Searched) -> None:
    collection, find = scifact
    rankings = {
        query.id: [id_ for id_, _ in find(query.query)] for query in collection.labelled_queries()
    }
    ndcg = mean_quality(collection.judgements, rankings)["nDCG@10"]
    print(f"{len(rankings)} queries: nDCG@10 {ndcg:.4f}")
    assert ndcg == pytest.approx(0.679, abs=0.01)


def test_bm25_finds_nothing_without_a_word_in_common() -> None:
    find = Bm25Retriever({"a": "bread rises", "b": ""}, depth=5)
    assert find("tides") == find("the") == Bm25Retriever({"b": ""}, depth=5)("tides") == []


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the demo's collection into a folder in the BEIR layout."""
    folder = tmp_path_factory.mktemp("beir")
    collection = demo_collection()
    (folder / "qrels").mkdir()
    passages = [{"_id": p.id, "title": p.title, "text": p.text} for p in collection.passages]
    questions = [{"_id": id_, "text": text} for id_, text in collection.questions.items()]
    labels = [
        f"{question}\t{passage}\t{grade}"
        for question, judged in collection.judgements.items()
        for passage, grade in judged.items()
    ]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, questions)))
    (folder / "qrels" / "dev.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *labels]))
    return folder


class Done(NamedTuple):
    """The exit status and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def bge_rerank(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run `bge-rerank evaluate` in this process, which loads the weights once."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        returncode = main(["evaluate", *map(str, arguments)])
        return Done(returncode, *capsys.readouterr())

    return run


def test_the_command_says_that_the_first_stage_is_good_enough(
    bge_rerank: Callable[..., Done], beir: Path, tmp_path: Path
) -> None:
    options = ["--model", "mini", "--depth", "2", "--target", "0.5", "--output", tmp_path]
    done = bge_rerank(beir, *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Queries measured: 60. Depth: up to 2 candidates of each." in done.stdout
    assert "do not rerank: the first stage already reaches the target" in done.stdout
    assert "Note: the corpus has only 204 passages" in done.stdout
    assert f"data: {beir}" in done.stdout.replace("\n", "")
    assert f"Report: {tmp_path / 'evaluation.html'}" in done.stdout
    contents = json.loads((tmp_path / "evaluation.json").read_text())
    assert (contents["queries"], contents["best"]) == (60, None)
    assert contents["settings"]["data"]["split"] == "dev"
    before = (tmp_path / "evaluation.jsonl").read_bytes()
    assert bge_rerank(beir, *options).stdout == done.stdout
    assert (tmp_path / "evaluation.jsonl").read_bytes() == before
    refused = bge_rerank(beir, *options, "--k", "5")
    assert refused.returncode == 1
    assert "k was 10 and is 5" in refused.stderr
    assert "or pass --fresh to measure anew" in refused.stderr


def test_the_command_says_to_rerank_and_writes_the_reasons(
    bge_rerank: Callable[..., Done], tmp_path: Path
) -> None:
    """The candidates are the judged passages in the order of their ids, without a first stage."""
    collection = demo_collection()
    texts = {passage.id: passage.text for passage in collection.passages}
    lines = [
        {
            "query": collection.questions[question],
            "candidates": [{"id": id_, "text": texts[id_]} for id_ in sorted(judged)],
            "relevant": judged,
        }
        for question, judged in collection.judgements.items()
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)))
    done = bge_rerank(data, "--model", "mini", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert re.search(r"nDCG@10 +│ +0\.\d{3} │ +0\.\d{3} │ +\+0\.\d{3} │", done.stdout)
    assert "mini: rerank: nDCG@10 goes from 0." in done.stdout
    contents = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert contents["best"] == "mini"
    [mini] = contents["models"]
    assert mini["changes"][0]["difference"] > 0.05
    assert [point["depth"] for point in mini["depths"]] == [5, 6]
    depth = mini["recommended_depth"]
    yes = f"Yes: rerank with mini{f' at depth {depth}' if depth < 50 else ''}."
    assert yes in done.stdout
    assert re.search(rf" {depth} │ +0\.\d{{3}} │.*│ recommended │", done.stdout)
    report = (tmp_path / "out" / "evaluation.md").read_text()
    assert report.startswith(f"# Does reranking help?\n\n{yes}\n")
    assert "| nDCG@10 | 0." in report
    assert f"| {depth} | 0." in report
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert f"<p>{yes}</p>" in page
    assert page.count("<svg") == 3


def curve_anew(
    queries: Sequence[LabelledQuery], scorer: Scorer, depths: Sequence[int]
) -> list[float]:
    """Return the mean nDCG@10 if the first candidates are ranked anew at each depth."""
    reranker = Reranker(scorer, top_n=None)
    means = []
    for depth in depths:
        ndcg = []
        for query in queries:
            ids = [id_ for id_, _ in query.candidates or ()]
            texts = [text for _, text in query.candidates or ()]
            first = [ids[ranked.index] for ranked in reranker.rerank(query.query, texts[:depth])]
            [values] = measure_rankings(query.relevant, [first + ids[depth:]])
            ndcg.append(values["nDCG@10"])
        means.append(fmean(ndcg))
    return means


class Overlap:
    """Scores a pair by the number of words in common."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [float(len({*query.lower().split()} & {*p.lower().split()})) for query, p in pairs]


def test_results_by_depth_on_scifact_equal_ranking_at_each_depth(scifact: Searched) -> None:
    collection, find = scifact
    queries = [
        replace(query, candidates=find(query.query))
        for query in islice(collection.labelled_queries(), 50)
    ]
    [overlap] = evaluate(queries, {"overlap": Overlap()}, depth=100).models
    depths = [point.depth for point in overlap.depths]
    assert depths == [5, 10, 20, 50, 100]
    print([(point.depth, round(point.after, 4)) for point in overlap.depths])
    anew = curve_anew(queries, Overlap(), depths)
    assert [point.after for point in overlap.depths] == pytest.approx(anew, abs=1e-9)


def test_results_by_depth_of_mini_equal_ranking_at_each_depth(beir: Path) -> None:
    collection = read_beir(beir, "dev")
    find = Bm25Retriever(collection.texts, depth=4)
    queries = [
        replace(query, candidates=find(query.query))
        for query in islice(collection.labelled_queries(), 30)
    ]
    scorer = load_scorer("mini", max_length=64)
    [mini] = evaluate(queries, {"mini": scorer}, depth=4, depths=[2]).models
    anew = curve_anew(queries, scorer, [2, 4])
    assert [point.after for point in mini.depths] == pytest.approx(anew, abs=1e-9)


@pytest.mark.usefixtures("mini")
def test_the_command_reads_jsonl_and_compares_backends(
    bge_rerank: Callable[..., Done], tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    lines = [
        {
            "id": query.id,
            "query": query.query,
            "candidates": [{"id": id_, "text": text} for id_, text in query.candidates or ()],
            "relevant": query.relevant,
        }
        for query in labelled_queries(3)
    ]
    data.write_text("\n".join(map(json.dumps, lines)))
    options = ["--model", "mini", "--backend", "torch", "auto", "--output", tmp_path / "out"]
    refused = bge_rerank(data, *options)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{data}:1: 'relevant' names 'missed', which is not among the 6" in refused.stderr
    assert "set --allow-missed" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = bge_rerank(data, *options, "--allow-missed")
    assert done.returncode == 0, done.stderr
    assert "mini (torch): not enough data: queries measured: 3" in done.stdout
    assert "mini (auto): not enough data" in done.stdout
    assert not re.search(r"nDCG@10 +│|\d ms", done.stdout)
    assert "nDCG@10 |" not in (tmp_path / "out" / "evaluation.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "test"], "has no split 'test'"),
        (["--depth", "0"], "--depth is 0"),
        (["--depths", "10", "60"], "--depths has 60; give whole numbers from 1 to 50"),
        (["--target", "2"], "--target is 2"),
        (["--latency-budget-ms", "0"], "--latency-budget-ms is 0"),
    ],
)
def test_an_error_of_the_command_is_one_line(
    bge_rerank: Callable[..., Done], beir: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = bge_rerank(beir, "--model", "mini", "--output", tmp_path, *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the data has no labelled queries"),
        ([{"query": "q", "relevant": ["a"]}], "query '1' of '{data}' has no 'candidates'"),
        (
            [{"query": "q", "candidates": ["a"], "relevant": []}],
            "none of the queries (1) has a relevant passage",
        ),
        (
            [{"id": "x", "query": "q", "candidates": ["a"], "relevant": [0]}] * 2,
            "{data}:2: 'id' is 'x', as on an earlier line",
        ),
    ],
)
def test_an_error_of_the_data_is_one_line_before_a_model_is_loaded(
    bge_rerank: Callable[..., Done], tmp_path: Path, lines: list[object], message: str
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)))
    done = bge_rerank(data, "--model", "no-such-folder", "--output", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert message.format(data=data) in done.stderr
    assert len(done.stderr.splitlines()) == 1


PASSAGES = {"m": "The Moon raises the tides.", "b": "Bread rises on yeast."}
QUESTION = LabelledQuery("q", "what causes tides", None, {"m": 1})


def test_the_command_counts_queries_without_a_relevant_passage(
    bge_rerank: Callable[..., Done], tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    lines = [{"query": "tides", "candidates": ["The Moon."], "relevant": on} for on in ([0], [])]
    data.write_text("\n".join(map(json.dumps, lines)))
    done = bge_rerank(data, "--model", "mini", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Queries measured: 1." in said
    assert "Queries without a relevant passage: 1." in said


def test_a_langchain_retriever_is_a_first_stage() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(
        [Document(text, id=f"own {id_}", metadata={"key": id_}) for id_, text in PASSAGES.items()]
    )
    retriever = store.as_retriever()
    by_key = langchain_bge_rerank.first_stage(retriever, "key")
    assert dict(by_key("tides")) == PASSAGES
    own = langchain_bge_rerank.first_stage(retriever)
    assert {id_ for id_, _ in own("tides")} == {"own m", "own b"}
    found = evaluate([QUESTION], {"mini": load_scorer("mini")}, retriever=by_key)
    assert found.found == 1
    missing = langchain_bge_rerank.first_stage(retriever, "no such key")
    with pytest.raises(InvalidInputError, match="no metadata 'no such key'"):
        missing("tides")
    with pytest.raises(RetrievalError, match="query 'q' .* no metadata 'no such key'"):
        evaluate([QUESTION], {"mini": load_scorer("mini")}, retriever=missing)


def test_a_llamaindex_retriever_is_a_first_stage() -> None:
    nodes = [
        TextNode(id_=f"own {id_}", text=text, metadata={"key": id_})
        for id_, text in PASSAGES.items()
    ]
    retriever = VectorStoreIndex(nodes, embed_model=MockEmbedding(8)).as_retriever()
    by_key = llamaindex_bge_rerank.first_stage(retriever, "key")
    assert dict(by_key("tides")) == PASSAGES
    own = llamaindex_bge_rerank.first_stage(retriever)
    assert {id_ for id_, _ in own("tides")} == {"own m", "own b"}
    found = evaluate([QUESTION], {"mini": load_scorer("mini")}, retriever=by_key)
    assert found.found == 1
    with pytest.raises(InvalidInputError, match="no metadata 'no such key'"):
        llamaindex_bge_rerank.first_stage(retriever, "no such key")("tides")
