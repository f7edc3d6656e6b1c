"""Read a published collection from the catalogue of `ir_datasets` by its id.

`ir_datasets` downloads missing files into `~/.ir_datasets`. The environment variable
`IR_DATASETS_HOME` names another folder.
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
"""The prefix that marks an id, as opposed to a folder."""
PARTS = ("docs", "queries", "qrels")
MOST_SHOWN = 5
"""The most ids that an error message suggests."""


def read_irds(dataset_id: str) -> LabelledCollection:
    """Read a collection of `ir_datasets`, which downloads missing files first.

    The text of a passage is the collection's `default_text`, such as title and text. Flaws of
    published collections do not stop the reader:

    - If a passage has two labels for a query, the higher grade counts.
    - If two passages have the same id, the first one counts.
    - Labels of unknown passages count as passages that the first stage missed.

    The reader ignores the `scoreddocs` of some collections.

    Args:
        dataset_id: An id such as `"beir/scifact/test"`; https://ir-datasets.com lists the ids.

    Raises:
        ConfigurationError: The id is unknown, or the collection has no passages, queries or labels.
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
        if not any(any(grades.values()) for grades in judged.values()):
            raise InvalidInputError(
                f"{place}: no query has a relevant passage; choose a collection with other labels"
            )
        texts = _texts(dataset.docs_iter(), "doc_id", place)
    passages = tuple(Passage(id_, "", text) for id_, text in texts.items())
    collection = LabelledCollection(passages, questions, judged)
    for labelled in collection.labelled_queries():
        check_labelled(labelled, f"{place}: query {labelled.id!r:.80}")
    return collection


@contextmanager
def _read(place: str) -> Iterator[None]:
    """Turn any exception of `ir_datasets` or its dependencies into an error of one line."""
    try:
        yield
    except RerankError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidInputError(
            f"cannot read {place!r} ({reason}); check the connection and try again, or put the files "
            "into the folder that IR_DATASETS_HOME names (see https://ir-datasets.com)"
        ) from error


def _dataset(registry: Any, dataset_id: str) -> Any:
    try:
        dataset = registry[dataset_id]
    except KeyError:
        near = get_close_matches(dataset_id, registry, MOST_SHOWN)
        raise ConfigurationError(
            f"ir_datasets has no collection {dataset_id!r}; "
            f"{_one_of(near) or 'https://ir-datasets.com lists the ids'}"
        ) from None
    missing = [part for part in PARTS if not dataset.has(part)]
    if missing:
        below = [name for name in registry if name.startswith(f"{dataset_id}/")]
        whole = [name for name in below if all(map(registry[name].has, PARTS))]
        raise ConfigurationError(
            f"{dataset_id!r} of ir_datasets has no {' and no '.join(missing)}; "
            f"{_one_of(whole[:MOST_SHOWN]) or 'choose an id with docs, queries and qrels'}"
        )
    return dataset


def _one_of(names: list[str]) -> str:
    return f"choose an id such as {', '.join(names)}" if names else ""


def _judgements(dataset: Any, place: str) -> dict[str, dict[str, int]]:
    """Return the grades of each query's passages, by their ids."""
    judgements: dict[str, dict[str, int]] = {}
    for label in dataset.qrels_iter():
        grade = checked_grade(label.relevance, f"{place}: the label of {label.doc_id!r:.80}")
        judged = judgements.setdefault(label.query_id, {})
        judged[label.doc_id] = max(grade, judged.get(label.doc_id, 0))
    return judgements


def _texts(records: Any, id_field: str, place: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for record in records:
        if not hasattr(record, "default_text"):
            raise InvalidInputError(
                f"{place}: {type(record).__name__} does not tell which of its fields are the text; "
                "read the collection with ir_datasets, and pass LabelledQuery objects"
            )
        texts.setdefault(getattr(record, id_field), record.default_text().strip())
    return texts
