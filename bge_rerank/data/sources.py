"""`open_data`: read a file, a folder or an id, and check all of it before anything is ranked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bge_rerank.data.beir import choose_split, read_beir
from bge_rerank.data.bm25_retriever import Bm25Retriever
from bge_rerank.data.irds import PREFIX, read_irds
from bge_rerank.data.jsonl import read_jsonl
from bge_rerank.data.labelled import LabelledCollection, LabelledQuery, Retriever
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.models.manifest import checksum


@dataclass(frozen=True, slots=True)
class Data:
    """Labelled queries, with their retriever.

    Attributes:
        queries: Read one at a time.
        count: The number of queries.
        retriever: Finds the candidates; `None` where the queries have candidates already.
        corpus_size: The number of passages to search; `None` where it is unknown.
        identity: Checksums and the split, or the id; they tell this data from other data.
    """

    queries: Iterable[LabelledQuery]
    count: int
    retriever: Retriever | None
    corpus_size: int | None
    identity: dict[str, str]


def open_data(source: str, split: str | None, depth: int, *, allow_missed: bool) -> Data:
    """Open a folder in the BEIR layout, a JSONL file with candidates, or a published collection.

    Args:
        source: The folder, the file, or `irds:` and an id of ir_datasets.
        split: The split of a folder; `None` is `test`, or the only split.
        depth: The most passages that BM25 returns for a query of a folder or an id.
        allow_missed: As for `read_jsonl`.

    Raises:
        ConfigurationError: There is no such split or id, or a split is given for what has none.
        InvalidInputError: There is no such file, or the data cannot be used.
    """
    is_id = source.startswith(PREFIX)
    path = Path(source)
    if not is_id and path.is_dir():
        return _folder(path, split, depth)
    if split is not None:
        raise ConfigurationError(
            f"split is {split!r}, but {source!r} is not a folder in the BEIR layout; leave the split out"
        )
    if is_id:
        collection = read_irds(source.removeprefix(PREFIX))
        return _collection(collection, depth, {"ir_datasets": source.removeprefix(PREFIX)})
    return _file(path, allow_missed=allow_missed)


def _folder(path: Path, split: str | None, depth: int) -> Data:
    chosen = choose_split(path, split)
    collection = read_beir(path, chosen)
    files = [path / "corpus.jsonl", path / "queries.jsonl", path / "qrels" / f"{chosen}.tsv"]
    identity = {"split": chosen} | {file.name: _identity(file) for file in files}
    return _collection(collection, depth, identity)


def _collection(collection: LabelledCollection, depth: int, identity: dict[str, str]) -> Data:
    """Let BM25 search a collection."""
    return Data(
        queries=collection.labelled_queries(),
        count=len(collection.judgements),
        retriever=Bm25Retriever(collection.texts, depth),
        corpus_size=len(collection.passages),
        identity=identity,
    )


def _file(path: Path, *, allow_missed: bool) -> Data:
    count = 0
    for labelled in read_jsonl(path, allow_missed=allow_missed):
        if labelled.candidates is None:
            raise InvalidInputError(
                f"query {labelled.id!r:.80} of {str(path)!r} has no 'candidates'; add what your "
                "first stage finds"
            )
        count += 1
    return Data(
        queries=read_jsonl(path, allow_missed=allow_missed),
        count=count,
        retriever=None,
        corpus_size=None,
        identity={"jsonl": _identity(path)},
    )


def _identity(path: Path) -> str:
    """Return the beginning of the checksum, long enough to tell files apart."""
    return checksum(path)[:16]
