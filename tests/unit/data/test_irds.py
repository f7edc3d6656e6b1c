"""Reading collections of ir_datasets by id: real collections, over local files."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bge_rerank import ConfigurationError, InvalidInputError, MissingDependencyError
from bge_rerank.cli import main
from bge_rerank.data.sources import open_data
from bge_rerank.evaluation import Bm25Retriever, LabelledQuery, evaluate, read_irds

DOCS = {"a": "Tides are of the Moon.", "b": "Bread rises on yeast.", "c": "Banks lend."}
QUERIES = {"1": "what causes tides", "2": "why does bread rise", "3": "nothing"}
LABELS = ["1 0 a 1", "1 0 b 0", "2 0 b 2"]


class TitledDoc(NamedTuple):
    doc_id: str
    title: str
    text: str

    def default_text(self) -> str:
        return f"{self.title} {self.text}"


class Scan(NamedTuple):
    """A document that does not tell which field to search."""

    doc_id: str
    page: str


class Own:
    """Registers collections in a catalogue of the test."""

    def __init__(self, folder: Path, ir_datasets: Any) -> None:
        self.folder = folder
        self.ir_datasets = ir_datasets
        self.local = ir_datasets.util.LocalDownload

    def register(self, id_: str, *parts: Any) -> str:
        self.ir_datasets.registry.register(id_, self.ir_datasets.Dataset(*parts))
        return id_

    def docs(self, docs: Mapping[str, str] = DOCS, doc_class: Any = None) -> Any:
        path = self._written("docs.tsv", [f"{id_}\t{text}" for id_, text in docs.items()])
        formats = self.ir_datasets.formats
        return formats.TsvDocs(self.local(path), doc_class or formats.GenericDoc)

    def queries(self, queries: Mapping[str, str] = QUERIES) -> Any:
        path = self._written("queries.tsv", [f"{id_}\t{text}" for id_, text in queries.items()])
        return self.ir_datasets.formats.TsvQueries(self.local(path))

    def labels(self, labels: Sequence[str] = LABELS) -> Any:
        path = self._written("labels.txt", labels)
        return self.ir_datasets.formats.TrecQrels(self.local(path), {})

    def _written(self, name: str, lines: Sequence[str]) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def ir_datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package. Importing it makes its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(tmp_path_factory.mktemp("ir_datasets")))
        patch.setenv("IR_DATASETS_TMP", str(tmp_path_factory.mktemp("ir_datasets_tmp")))
        import ir_datasets

        yield ir_datasets


@pytest.fixture
def own(ir_datasets: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Own:
    monkeypatch.setattr(ir_datasets, "registry", ir_datasets.util.Registry())
    return Own(tmp_path, ir_datasets)


def test_a_collection_is_read_by_its_id(own: Own) -> None:
    id_ = own.register("own/test", own.docs(), own.queries(), own.labels())
    collection = read_irds(id_)
    assert collection.texts == DOCS
    assert list(collection.labelled_queries()) == [
        LabelledQuery("1", "what causes tides", None, {"a": 1, "b": 0}),
        LabelledQuery("2", "why does bread rise", None, {"b": 2}),
    ]


def test_the_text_of_a_passage_is_the_default_text_of_the_collection(own: Own) -> None:
    docs = own.docs({"a": "Tides\tThe Moon.", "b": "\tBread."}, TitledDoc)
    id_ = own.register("own/test", docs, own.queries(), own.labels())
    assert read_irds(id_).texts == {"a": "Tides The Moon.", "b": "Bread."}


def test_flaws_of_a_published_collection_do_not_stop_the_reader(own: Own) -> None:
    labels = ["1 0 a 1", "1 1 a 3", "1 0 gone 1", "2 0 b -2", "unknown 0 a 1"]
    id_ = own.register("own/test", own.docs(), own.queries(), own.labels(labels))
    collection = read_irds(id_)
    assert collection.judgements == {"1": {"a": 3, "gone": 1}, "2": {"b": 0}}
    queries = collection.labelled_queries()
    found = evaluate(queries, {"m": Length()}, retriever=Bm25Retriever(collection.texts, 3))
    assert (found.queries, found.without_relevant) == (1, 1)
    assert (found.relevant, found.found) == (2, 1)


class Length:
    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [float(len(text)) for _, text in pairs]


def test_bm25_searches_the_collection_of_an_id(own: Own) -> None:
    own.register("own/test", own.docs(), own.queries(), own.labels())
    data = open_data("irds:own/test", None, 2, allow_missed=False)
    assert (data.count, data.corpus_size, data.identity) == (2, 3, {"ir_datasets": "own/test"})
    assert data.retriever is not None
    assert data.retriever("what causes tides") == [("a", DOCS["a"])]


def test_a_split_is_refused_with_an_id(own: Own) -> None:
    with pytest.raises(ConfigurationError, match="split is 'test', but 'irds:own' is not a folder"):
        open_data("irds:own", "test", 2, allow_missed=False)


def test_an_unknown_id_is_refused_with_similar_ids(own: Own) -> None:
    own.register("own/scifact/test", own.docs(), own.queries(), own.labels())
    with pytest.raises(
        ConfigurationError, match="no collection 'scifact/test'; choose an id such as own"
    ):
        read_irds("scifact/test")
    with pytest.raises(ConfigurationError, match=r"'zzz'; https://ir-datasets\.com lists"):
        read_irds("zzz")


def test_an_id_without_labels_is_refused_with_ids_below_it(own: Own) -> None:
    own.register("own", own.docs(), own.queries())
    with pytest.raises(
        ConfigurationError, match="'own' of ir_datasets has no qrels; choose an id with"
    ):
        read_irds("own")
    own.register("own/docs", own.docs())
    own.register("own/test", own.docs(), own.queries(), own.labels())
    with pytest.raises(ConfigurationError, match="no qrels; choose an id such as own/test$"):
        read_irds("own")
    with pytest.raises(ConfigurationError, match="'own/docs' of ir_datasets has no queries and no"):
        read_irds("own/docs")


def test_a_failed_download_is_named_with_its_reason(own: Own) -> None:
    util = own.ir_datasets.util
    # The discard port: nothing answers there.
    missing = util.Download(
        [util.RequestsDownload("http://127.0.0.1:9/docs.tsv", tries=1)], own.folder / "none.tsv"
    )
    docs = own.ir_datasets.formats.TsvDocs(missing)
    own.register("own/test", docs, own.queries(), own.labels())
    with pytest.raises(InvalidInputError) as raised:
        read_irds("own/test")
    message = str(raised.value)
    assert message.startswith("cannot read 'irds:own/test' (ConnectionError: ")
    assert "127.0.0.1" in message
    assert "IR_DATASETS_HOME" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["1 0 a high"], r"cannot read 'irds:own/test' \(ValueError: .*'high'"),
        (["1 0 a 0"], "irds:own/test: no query has a relevant passage"),
        ([], "irds:own/test: no query has a relevant passage"),
        (["9 0 a 1"], "irds:own/test: no query has a relevant passage"),
    ],
)
def test_unusable_labels_are_named(own: Own, labels: list[str], message: str) -> None:
    own.register("own/test", own.docs(), own.queries(), own.labels(labels))
    with pytest.raises(InvalidInputError, match=message):
        read_irds("own/test")


def test_an_empty_query_is_named(own: Own) -> None:
    own.register("own/test", own.docs(), own.queries({"1": " "}), own.labels())
    with pytest.raises(
        InvalidInputError, match="irds:own/test: query '1': 'query': the query is e"
    ):
        read_irds("own/test")


def test_documents_that_do_not_tell_their_text_are_refused(own: Own) -> None:
    own.register("own/test", own.docs(doc_class=Scan), own.queries(), own.labels())
    with pytest.raises(InvalidInputError, match="irds:own/test: Scan does not tell which"):
        read_irds("own/test")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingDependencyError, match=r"'irds:x' needs .*'bge-rerank\[irds\]'"):
        read_irds("x")


def test_the_command_takes_an_id(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.register("own/test", own.docs(), own.queries(), own.labels())
    options = ["--model", "mini", "--output", str(tmp_path / "out")]
    assert main(["evaluate", "irds:own/test", *options]) == 0
    assert "Queries measured: 2." in capsys.readouterr().out
    contents = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert contents["settings"]["data"] == {"ir_datasets": "own/test"}
    assert main(["evaluate", "irds:own/tset", *options]) == 1
    assert "no collection 'own/tset'; choose an id such as own/test" in capsys.readouterr().err
