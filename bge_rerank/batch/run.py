"""`run_batch`: rerank the rows of files, many rows in one pass, and continue after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from os import PathLike
from pathlib import Path

from bge_rerank.batch.inputs import InputFile, open_inputs
from bge_rerank.batch.job import Job
from bge_rerank.batch.parts import Part
from bge_rerank.batch.records import Counts
from bge_rerank.batch.rows import checked, usable_id
from bge_rerank.batch.scoring import CALL_PAIRS, check_scores_all, rankings, scored_together
from bge_rerank.batch.seen_ids import SeenIds
from bge_rerank.batch.settings import added_fields, settings_of
from bge_rerank.models.options import whole_from
from bge_rerank.ranking.reranker import Reranker

PART_PAIRS = 20_000
"""The pairs of a part. A killed run scores at most one part again."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        share: The share of the input that is done, 0..1.
        rows: The rows written, those of earlier runs included.
        failures: The rows that could not be scored, those of earlier runs included.
        pairs: The pairs of the rows written, those of earlier runs included.
    """

    share: float
    rows: int
    failures: int
    pairs: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The contents of the output folder of a finished batch.

    Attributes:
        rows: The rows written.
        failures: The rows that could not be scored; `errors.jsonl` has their reasons.
        pairs: The pairs of the rows written.
        parts: The paths of the parts, in the order of the input.
        continued: The rows that earlier runs had written.
    """

    rows: int
    failures: int
    pairs: int
    parts: tuple[Path, ...]
    continued: int


def run_batch(
    reranker: Reranker,
    inputs: str | PathLike[str] | Iterable[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    part_pairs: int = PART_PAIRS,
    progress: Callable[[BatchProgress], object] | None = None,
) -> BatchResult:
    """Rerank the rows of files into the parts of a folder.

    A row has an `id`, a `query` and `candidates`: strings, or records with `id` and `passage`. In the
    output, `candidates` holds those that the reranker keeps, best first, with their scores. Rows keep
    their order and their other fields. A row that cannot be scored goes to `errors.jsonl`.

    After an interruption, the same call continues after the last whole part. Each row is written once.

    Args:
        reranker: The model with the options of the ranking. `latency_budget_ms` cannot be used.
        inputs: Paths of JSONL and Parquet files, or patterns such as `"data/*.parquet"`.
        output: The folder to write: new, empty, or that of the same batch.
        part_pairs: The pairs of a part, a little more or less. A part has rows of one input file.
        progress: Called at the start and after each pass over the model.

    Raises:
        ConfigurationError: The folder cannot be written, or belongs to something else.
        InvalidInputError: A file does not exist, is of another format, or is damaged.
        MissingDependencyError: A file is Parquet, and pyarrow is not installed.
        RerankError: As `Reranker.rerank` does. The finished parts are kept.

    >>> import json
    >>> from tempfile import TemporaryDirectory
    >>> from bge_rerank import Reranker
    >>> row = {"id": 7, "query": "what causes tides", "candidates": ["Bread.", "The Moon."]}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "rows.jsonl")
    ...     _ = path.write_text(json.dumps(row))
    ...     result = run_batch(Reranker("mini", top_n=1), path, Path(folder, "out"))
    ...     json.loads(result.parts[0].read_text())["candidates"][0]["passage"]
    'The Moon.'
    """
    whole_from(1).refuse("part_pairs", part_pairs)
    check_scores_all(reranker)
    files = open_inputs([inputs] if isinstance(inputs, str | PathLike) else inputs)
    job = Job(Path(output), settings_of(reranker, files, part_pairs))
    try:
        return _Run(reranker, files, job, part_pairs, progress or (lambda _: None)).run()
    finally:
        job.close()


@dataclass
class _Run:
    """A run over the rows that are not done."""

    reranker: Reranker
    files: Sequence[InputFile]
    job: Job
    part_pairs: int
    progress: Callable[[BatchProgress], object]
    seen: SeenIds = field(default_factory=SeenIds)

    def run(self) -> BatchResult:
        continued = self.job.done.rows
        self.sizes = [file.path.stat().st_size for file in self.files]
        for place in range(len(self.files)):
            self._file(place)
        done = self.job.done
        return BatchResult(done.rows, done.failures, done.pairs, self.job.paths, continued)

    def _file(self, place: int) -> None:
        """Score the rows of a file that are not done."""
        file, after = self.files[place], self.job.last_row(place)
        if after != 0:
            for id_ in filter(None, map(usable_id, file.ids(after))):
                self.seen.add(id_)
        if after is None:
            return
        rows = (checked(raw, self.seen) for raw in file.read(after))
        gathered = scored_together(rows, min(CALL_PAIRS, self.part_pairs))
        self._tell(place, Counts())
        for first in gathered:
            with Part(self.job, place, file, added_fields(self.reranker)) as part:
                for chunk in chain([first], gathered):
                    part.add(chunk, rankings(self.reranker, chunk.rows))
                    self._tell(place, part.counts)
                    if part.counts.pairs >= self.part_pairs:
                        break
                part.finish()

    def _tell(self, place: int, unfinished: Counts) -> None:
        read = sum(self.sizes[:place]) + self.files[place].share_read * self.sizes[place]
        done = self.job.done + unfinished
        share = read / max(sum(self.sizes), 1)
        self.progress(BatchProgress(share, done.rows, done.failures, done.pairs))
