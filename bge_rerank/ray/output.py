"""`write_reranked`: rerank a dataset into a folder, and continue after an interruption.

The files with rows say by themselves which rows are done: a file counts when it is whole. So a killed job
leaves at most files that are not whole, and the next run removes them. Ray's own checkpoints are not used,
because they do not notice other settings, do nothing for datasets that are not read from files, and let a
finished job write every row again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bge_rerank.batch.manifest import written
from bge_rerank.batch.rows import usable_id
from bge_rerank.batch.seen_ids import SeenIds, hash_of
from bge_rerank.batch.settings import ranking_settings
from bge_rerank.batch.table import ERROR
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.inputs import shown_value
from bge_rerank.models.json_lines import differing
from bge_rerank.models.options import whole_from
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ray.dataset import BATCH_SIZE, rerank

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.data import Dataset

logger = logging.getLogger(__name__)

SETTINGS = "_settings.json"
"""The file with the settings. Readers of Parquet folders skip names that start with an underscore."""
FORMAT = 1
ROWS_PER_FILE = 1_000
SHOWN_IDS = 3


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The contents of the output folder of a finished job.

    Attributes:
        rows: The rows, those with an error included: one for each row of the dataset.
        failures: The rows that could not be scored; their `rerank_error` says why.
        continued: The rows that earlier runs had written.
    """

    rows: int
    failures: int
    continued: int


def write_reranked(
    dataset: Dataset,
    reranker: Reranker | str,
    output: str | PathLike[str],
    *,
    actors: int | tuple[int, int] = 1,
    num_cpus: float | None = None,
    num_gpus: float = 0,
    batch_size: int = BATCH_SIZE,
    rows_per_file: int = ROWS_PER_FILE,
) -> WriteResult:
    """Rerank the rows of a dataset into Parquet files of a folder, each row once.

    After an interruption, the same call continues with the rows that are missing. The ids of the dataset
    are read first, and must differ.

    Args:
        dataset: Rows as for `rerank`.
        reranker: As for `rerank`.
        output: The folder to write: new, empty, or that of the same job. It may be a URI such as
            `s3://bucket/folder`. All nodes must reach it.
        actors: As for `rerank`.
        num_cpus: As for `rerank`.
        num_gpus: As for `rerank`.
        batch_size: As for `rerank`.
        rows_per_file: The rows of a file, a little more or less. After an interruption, the files that were
            not whole are scored again.

    Raises:
        ConfigurationError: As `rerank` does, or the folder belongs to something else.
        InvalidInputError: Ids are missing, or not unique.
        MissingDependencyError: Ray is not installed.
    """
    with needs_extra("ray", "reranking a dataset"):
        import ray
    whole_from(1).refuse("rows_per_file", rows_per_file)
    given = Reranker(reranker) if isinstance(reranker, str) else reranker
    reranked = partial(
        rerank,
        reranker=given,
        actors=actors,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        batch_size=min(batch_size, rows_per_file),
    )
    reranked(dataset)  # refuses wrong options before anything is read or written
    folder = OutputFolder.opened(fspath(output), ranking_settings(given))
    ids, before = unique_ids(_id_columns(dataset)), folder.contents()
    folder.check_known(before, ids)
    if before.rows < len(ids):
        left = dataset
        if before.rows:
            known = {"done": ray.put(_sorted_hashes(before.ids))}
            not_done: Any = _not_done  # Ray's types allow one argument only
            left = dataset.map_batches(not_done, fn_kwargs=known, batch_format="pyarrow")
        left = left.repartition(target_num_rows_per_block=rows_per_file)
        reranked(left).write_parquet(folder.path, filesystem=folder.filesystem)
    after = folder.contents()
    if not after.rows == len(after.ids) == len(ids):
        raise ConfigurationError(
            f"{folder.name!r} holds {after.rows} rows with {len(after.ids)} ids for the {len(ids)} rows of the "
            "dataset, so another job wrote into it at the same time; write into a new folder, one job at a time"
        )
    return WriteResult(after.rows, after.failures, before.rows)


@dataclass
class Contents:
    """The rows of the whole files of a folder."""

    ids: SeenIds = field(default_factory=SeenIds)
    rows: int = 0
    failures: int = 0


@dataclass(frozen=True)
class OutputFolder:
    """The output folder of a job, on any file system of Arrow."""

    name: str
    filesystem: Any
    path: str

    @classmethod
    def opened(cls, name: str, settings: dict[str, Any]) -> OutputFolder:
        """Open a folder, or make it. Nothing is changed if it belongs to something else."""
        from pyarrow.fs import FileSystem

        with written(Path(name)):
            filesystem, path = FileSystem.from_uri(
                name if "://" in name else str(Path(name).absolute())
            )
            filesystem.create_dir(path)
            folder = cls(name, filesystem, path)
            there = {file.base_name for file in folder.files()}
            if SETTINGS in there:
                folder.check_settings(settings)
            elif foreign := sorted(there - {SETTINGS + ".tmp"}):
                raise folder.foreign(foreign[0])
            else:
                folder.write_settings(settings)
        return folder

    def files(self) -> list[Any]:
        """Return what the folder holds."""
        from pyarrow.fs import FileSelector

        return list(self.filesystem.get_file_info(FileSelector(self.path)))

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write the settings, all or nothing."""
        path = f"{self.path}/{SETTINGS}"
        with self.filesystem.open_output_stream(f"{path}.tmp") as file:
            file.write(json.dumps({"format": FORMAT, "settings": settings}).encode())
        self.filesystem.move(f"{path}.tmp", path)

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Refuse other settings than those of the folder."""
        with self.filesystem.open_input_stream(f"{self.path}/{SETTINGS}") as file:
            try:
                there = json.loads(file.read())
            except ValueError:
                there = None
        if not isinstance(there, dict) or there.get("format") != FORMAT:
            raise self.foreign(SETTINGS)
        if changed := differing(there["settings"], json.loads(json.dumps(settings))):
            raise ConfigurationError(
                f"{self.name!r} holds a job with other settings ({'; '.join(changed[:3])}); use the same settings, "
                "or choose another output"
            )

    def foreign(self, name: str) -> ConfigurationError:
        """Return the error for a file of something else."""
        return ConfigurationError(
            f"{self.name!r} holds {name!r}, which write_reranked did not write; choose an output folder that is "
            "new or empty"
        )

    def contents(self) -> Contents:
        """Read the ids and errors of the whole files, and remove the others."""
        found = Contents()
        with written(Path(self.name)):
            for file in self.files():
                if file.base_name.endswith(".parquet"):
                    self._add(found, file.path)
        return found

    def _add(self, found: Contents, path: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(path, filesystem=self.filesystem)
        except pa.ArrowInvalid:
            logger.info("removed %r, which an interrupted run had not finished", path)
            self.filesystem.delete_file(path)
            return
        with file:
            for batch in file.iter_batches(columns=["id", ERROR]):
                for id_ in _usable(batch.column("id")):
                    found.ids.add(str(id_))
                found.rows += batch.num_rows
                found.failures += batch.num_rows - batch.column(ERROR).null_count

    def check_known(self, contents: Contents, ids: SeenIds) -> None:
        """Refuse a folder with rows that the dataset does not have."""
        import numpy as np

        done = _sorted_hashes(contents.ids)
        unknown = int(np.count_nonzero(~np.isin(done, _sorted_hashes(ids), assume_unique=True)))
        if unknown:
            raise ConfigurationError(
                f"{self.name!r} holds {unknown} rows with ids that the dataset does not have, so it belongs to "
                "another job; choose another output"
            )


def _id_columns(dataset: Dataset) -> Iterator[Any]:
    """Read the ids of a dataset, a block at a time."""
    tables: Iterable[Any] = dataset.select_columns(["id"]).iter_batches(
        batch_size=None, batch_format="pyarrow"
    )
    for table in tables:
        yield table.column("id")


def unique_ids(columns: Iterable[Any]) -> SeenIds:
    """Return the ids of columns of Arrow.

    Raises:
        InvalidInputError: An id cannot be used, or occurs twice.
    """
    ids = SeenIds()
    rows, repeated = 0, []
    for column in columns:
        for id_ in _usable(column):
            rows += 1
            if id_ is None:
                raise InvalidInputError(
                    f"row {rows} of the dataset has no 'id' that is a string or a whole number, so a job with it "
                    "cannot be continued; give each row an id, or use rerank"
                )
            if not ids.add(id_):
                repeated.append(id_)
    if repeated:
        raise InvalidInputError(
            f"{len(repeated)} rows have the 'id' of another row, for example "
            f"{', '.join(map(shown_value, repeated[:SHOWN_IDS]))}; give each row an id of its own, or use rerank"
        )
    return ids


def _usable(column: Any) -> Iterator[str | None]:
    from bge_rerank.batch.arrow_rows import ids_of

    return map(usable_id, ids_of(column))


def _sorted_hashes(ids: SeenIds) -> Any:
    import numpy as np

    return np.sort(np.array(ids.hashes(), np.uint64))


def _not_done(table: Any, done: ObjectRef[Any]) -> Any:
    """Return the rows whose ids are not done. `done` refers to a sorted array of hashes."""
    import numpy as np
    import ray

    known = ray.get(done)  # a view into the memory that all processes of the node share
    hashes = np.array([hash_of(str(id_)) for id_ in _usable(table.column("id"))], np.uint64)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return table.filter(known[places] != hashes)
