"""`rerank`: rerank the rows of a dataset of Ray Data, in actors that load the model once."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from bge_rerank.batch.rows import COLUMNS
from bge_rerank.batch.scoring import check_scores_all
from bge_rerank.batch.table import rerank_table
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.inputs import shown_value
from bge_rerank.models.options import whole_from
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ray.cluster import actor_cpus, checked_actors, nodes_of
from bge_rerank.scoring.loading import LazyScorer

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

BATCH_SIZE = 128
"""The rows of a call. A call divides them further, by pairs and by tokens."""


def rerank(
    dataset: Dataset,
    reranker: Reranker | str,
    *,
    actors: int | tuple[int, int] = 1,
    num_cpus: float | None = None,
    num_gpus: float = 0,
    batch_size: int = BATCH_SIZE,
) -> Dataset:
    """Rerank the rows of a dataset. Each row gives one row of the output, as `rerank_table` makes it.

    Nothing is scored before the result is used. Each actor loads the model once. If an actor or a node
    dies, Ray scores its rows again elsewhere. The rows come in any order.

    Args:
        dataset: Rows with `id`, `query` and `candidates`, and any other columns.
        reranker: The model with the options of the ranking, or a model's name for `Reranker(name)`.
        actors: The number of actors, or the fewest and the most.
        num_cpus: The CPUs that Ray reserves for an actor, which are also its threads. `None` shares all
            CPUs but one, which Ray needs to read and write rows.
        num_gpus: The GPUs of an actor; 0 scores on the CPU.
        batch_size: The fewest rows that an actor takes at once. Pairs are batched by tokens within them.

    Raises:
        ConfigurationError: The actors do not fit into the cluster, or an option cannot work.
        InvalidInputError: The dataset lacks a column, as far as its columns are known.
        MissingDependencyError: Ray is not installed.
    """
    with needs_extra("ray", "reranking a dataset"):
        import ray
        from ray.data import ActorPoolStrategy

    given = Reranker(reranker) if isinstance(reranker, str) else reranker
    if not isinstance(given, Reranker):
        raise ConfigurationError(
            f"reranker is {shown_value(given)}; pass a Reranker, or the name of a model"
        )
    check_scores_all(given)
    whole_from(1).refuse("batch_size", batch_size)
    pool = checked_actors(actors, num_cpus, num_gpus)
    if _can_grow():
        cpus = 1.0 if num_cpus is None else num_cpus
    else:
        cpus = actor_cpus(nodes_of(ray.nodes()), pool)
    _check_columns(dataset)
    return dataset.map_batches(
        _Actor,
        fn_constructor_args=(_on_threads(given, cpus) if not num_gpus else given,),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ActorPoolStrategy(min_size=pool.least, max_size=pool.most),
        # Ray reserves a CPU for an actor with a GPU, and warns if both numbers are given.
        num_cpus=None if num_gpus and cpus == 1 else cpus,
        num_gpus=num_gpus or None,
        udf_modifying_row_count=False,
    )


class _Actor:
    """Holds a model that is loaded, and reranks blocks of rows."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        if isinstance(reranker.scorer, LazyScorer):
            reranker.scorer.loaded()

    def __call__(self, table: pa.Table) -> pa.Table:
        return rerank_table(self._reranker, table)


def _on_threads(reranker: Reranker, cpus: float) -> Reranker:
    """Return the reranker with as many threads as its actor has CPUs, unless their number is given.

    Without a number, some backends take all cores of the node, in each actor.
    """
    scorer = reranker.scorer
    if isinstance(scorer, LazyScorer) and scorer.config.threads is None:
        reranker = copy(reranker)
        reranker.scorer = LazyScorer(replace(scorer.config, threads=max(1, int(cpus))))
    return reranker


def _can_grow() -> bool:
    """Whether the cluster has an autoscaler, which may add nodes for the actors. Ray Data asks the same way."""
    try:
        from ray._private.state import state

        return state.get_max_resources_from_cluster_config() is not None
    except (ImportError, AttributeError):  # it is not public
        return False


def _check_columns(dataset: Dataset) -> None:
    """Refuse a dataset that lacks a column. A dataset whose columns are not known yet passes."""
    names = dataset.columns(fetch_if_missing=False)
    missing = [name for name in COLUMNS if names is not None and name not in names]
    if missing:
        raise InvalidInputError(
            f"the dataset has no column {missing[0]!r}, but {', '.join(map(repr, names or []))}; give each row "
            f"{', '.join(COLUMNS)}"
        )
