"""Read a collection of the `ir_datasets` catalogue by its id.

ir_datasets downloads missing files into `~/.ir_datasets`, or into the folder that `IR_DATASETS_HOME`
names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from bge_rerank.data.labelled import (
    LabelledCollection,
    Passage,
    check_labelled,
    checked_grade,
)
from bge_rerank.errors import ConfigurationError, InvalidInputError, RerankError
from bge_rerank.extras import needs_extra

PREFIX = "irds:"
"""Tells an id from a folder."""
PARTS = ("docs", "queries", "qrels")
MOST_SHOWN = 5
"""How many ids an error names."""


def read_irds(dataset_id: str) -> LabelledCollection:
    """Read a collection of ir_datasets, and download it first where it is missing.

    A passage is the collection's `default_text`, such as title and text. Published collections have
    flaws, which do not stop the reader:

    - It skips queries without a relevant passage.
    - Of two labels for the same passage, it keeps the higher one.
    - Of two passages with the same id, it keeps the first.
    - Labels of unknown passages count as passages that the first stage missed.

    It ignores the `scoreddocs` of some collections.

    Args:
        dataset_id: Such as `"beir/scifact/test"`; https://ir-datasets.com lists the ids.

    Raises:
        ConfigurationError: There is no such collection, or it has no passages, queries or labels.
        InvalidInputError: The collection cannot be downloaded or read, or no query has a relevant
            passage. The message names the id and the reason.
        MissingDependencyError: `ir-datasets` is not installed.
    """
    place = f"{PREFIX}{dataset_id}"
    with needs_extra("irds", f"reading {place!r}"):
        import ir_datasets
    with _read(place):
        dataset = _dataset(ir_datasets.registry, dataset_id)
        judgements = _judgements(dataset, place)
        questions = _texts(dataset.queries_iter(), "query_id", place)
        judged = {id_: judgements[id_] for id_ in questions if id_ in judgements}
        if not judged:
            raise InvalidInputError(
                f"{place}: no query has a relevant passage; choose a collection whose labels do"
            )
        texts = _texts(dataset.docs_iter(), "doc_id", place)
    passages = tuple(Passage(id_, "", text) for id_, text in texts.items())
    collection = LabelledCollection(passages, questions, judged)
    for labelled in collection.labelled_queries():
        check_labelled(labelled, f"{place}: query {labelled.id!r:.80}")
    return collection


@contextmanager
def _read(place: str) -> Iterator[None]:
    """Say in one line what failed in ir_datasets, which raises whatever its parts raise."""
    try:
        yield
    except RerankError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidInputError(
            f"cannot read {place!r} ({reason}); check the connection, try again, or lay its files "
            "where ir_datasets looks for them (IR_DATASETS_HOME, see https://ir-datasets.com)"
        ) from error


def _dataset(registry: Any, dataset_id: str) -> Any:
    try:
        dataset = registry[dataset_id]
    except KeyError:
        near = get_close_matches(dataset_id, registry, MOST_SHOWN)
        raise ConfigurationError(
            f"ir_datasets knows no {dataset_id!r}; "
            f"{_one_of(near) or 'https://ir-datasets.com lists its ids'}"
        ) from None
    missing = [part for part in PARTS if not dataset.has(part)]
    if missing:
        below = [name for name in registry if name.startswith(f"{dataset_id}/")]
        whole = [name for name in below if all(map(registry[name].has, PARTS))]
        raise ConfigurationError(
            f"{dataset_id!r} of ir_datasets has no {' and no '.join(missing)}; "
            f"{_one_of(whole[:MOST_SHOWN]) or 'give one that has docs, queries and qrels'}"
        )
    return dataset


def _one_of(names: list[str]) -> str:
    return f"give one such as {', '.join(names)}" if names else ""


def _judgements(dataset: Any, place: str) -> dict[str, dict[str, int]]:
    """Return the labels of the queries that have a relevant passage."""
    judgements: dict[str, dict[str, int]] = {}
    for label in dataset.qrels_iter():
        grade = checked_grade(label.relevance, f"{place}: the label of {label.doc_id!r:.80}")
        judged = judgements.setdefault(label.query_id, {})
        judged[label.doc_id] = max(grade, judged.get(label.doc_id, 0))
    return {id_: judged for id_, judged in judgements.items() if any(judged.values())}


def _texts(records: Any, id_field: str, place: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for record in records:
        if not hasattr(record, "default_text"):
            raise InvalidInputError(
                f"{place}: its {type(record).__name__} does not say which of its fields are the text; "
                "read it with ir_datasets, and give LabelledQuery objects"
            )
        texts.setdefault(getattr(record, id_field), record.default_text().strip())
    return texts
