"""`open_data`: read a file, a folder or a published collection, and check all of it first."""

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
    """Labelled queries, with a retriever if they need one.

    Attributes:
        queries: The queries, read one at a time.
        count: The number of queries.
        retriever: The first stage; `None` if the queries have candidates already.
        corpus_size: The number of passages to search; `None` if it is unknown.
        place: The absolute path, or the id with its prefix.
        identity: Checksums and the split, or the id, which tell this data from other data.
    """

    queries: Iterable[LabelledQuery]
    count: int
    retriever: Retriever | None
    corpus_size: int | None
    place: str
    identity: dict[str, str]


def open_data(source: str, split: str | None, depth: int, *, allow_missed: bool) -> Data:
    """Open a folder in the BEIR layout, a JSONL file with candidates, or a published collection.

    Args:
        source: The folder, the file, or `irds:` and an id of ir_datasets.
        split: The split of a folder; `None` is `test`, or the only split.
        depth: The most passages that BM25 returns for a query of a folder or a published collection.
        allow_missed: As for `read_jsonl`.

    Raises:
        ConfigurationError: The split or id does not exist, or a file or id is given with a split.
        InvalidInputError: The file does not exist, or the data cannot be used.
    """
    is_id = source.startswith(PREFIX)
    path = Path(source)
    if not is_id and path.is_dir():
        return _folder(path, split, depth)
    if split is not None:
        raise ConfigurationError(
            f"split is {split!r}, but {source!r} is not a folder in the BEIR layout; leave split out"
        )
    if is_id:
        collection = read_irds(source.removeprefix(PREFIX))
        return _collection(collection, depth, source, {"ir_datasets": source.removeprefix(PREFIX)})
    return _file(path, allow_missed=allow_missed)


def _folder(path: Path, split: str | None, depth: int) -> Data:
    chosen = choose_split(path, split)
    collection = read_beir(path, chosen)
    files = [path / "corpus.jsonl", path / "queries.jsonl", path / "qrels" / f"{chosen}.tsv"]
    identity = {"split": chosen} | {file.name: _identity(file) for file in files}
    return _collection(collection, depth, str(path.absolute()), identity)


def _collection(
    collection: LabelledCollection, depth: int, place: str, identity: dict[str, str]
) -> Data:
    """Return a collection with BM25 as its retriever."""
    return Data(
        queries=collection.labelled_queries(),
        count=len(collection.judgements),
        retriever=Bm25Retriever(collection.texts, depth),
        corpus_size=len(collection.passages),
        place=place,
        identity=identity,
    )


def _file(path: Path, *, allow_missed: bool) -> Data:
    count = 0
    for labelled in read_jsonl(path, allow_missed=allow_missed):
        if labelled.candidates is None:
            raise InvalidInputError(
                f"query {labelled.id!r:.80} of {str(path)!r} has no 'candidates'; add the passages "
                "that your first stage finds"
            )
        count += 1
    return Data(
        queries=read_jsonl(path, allow_missed=allow_missed),
        count=count,
        retriever=None,
        corpus_size=None,
        place=str(path.absolute()),
        identity={"jsonl": _identity(path)},
    )


def _identity(path: Path) -> str:
    """Return the start of a file's checksum, long enough to tell files apart."""
    return checksum(path)[:16]
