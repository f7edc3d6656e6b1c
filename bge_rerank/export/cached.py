"""`export_into_cache`: export a model on first use, once for all processes of a user."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bge_rerank.backends.exported.files import check_options
from bge_rerank.errors import ConfigurationError, MissingDependencyError, ModelLoadError
from bge_rerank.export.progress import progress_of
from bge_rerank.export.run import STAGED, export_named
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.export_cache import (
    FINISHED,
    VARIABLE,
    cached_export,
    entries,
    entry_of,
    precision_of,
)

logger = logging.getLogger(__name__)

DTYPES = {
    "openvino": ("auto", "float32", "bfloat16", "int8"),
    "onnx": ("auto", "float32", "int8"),
}
"""The values of `dtype` for which a backend exports a model."""


def export_into_cache(config: ScorerConfig) -> None:
    """Export a model into the cache, unless another process does so first.

    An export that is interrupted is never used: it gets its name when it is complete, and the next one removes it.

    Args:
        config: Names the model, a backend that runs exports, and the precision.

    Raises:
        ConfigurationError: An option does not fit the backend, or the cache cannot be written.
        MissingDependencyError: A package for the export is not installed.
        ModelLoadError: The model could not be read, or its files changed during the export.
        ExportError: The export differs too much from the model.
    """
    check_options(config)
    if config.dtype not in DTYPES[config.backend]:
        raise ConfigurationError(
            f"dtype is {config.dtype!r}, but backend {config.backend!r} exports a model only for "
            f"{', '.join(DTYPES[config.backend])}; leave dtype out, or use backend='torch'"
        )
    entry = entry_of(config)
    with _failures_named(config, entry):
        entry.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in entries():
            if other != entry:
                with suppress(Timeout), _lock(other).acquire(timeout=0):
                    _remove_interrupted(other)
        with _only_process(entry, config.model_name):
            _remove_interrupted(entry)
            if cached_export(config) is None:
                _export(config, entry)


def _export(config: ScorerConfig, entry: Path) -> None:
    precision = precision_of(config)
    logger.info(
        "exporting %s in %s for backend %r, once, into %s; `bge-rerank cache list` shows it",
        *(config.model_name, precision, config.backend, entry),
    )
    shutil.rmtree(entry / FINISHED, ignore_errors=True)  # a folder without a manifest
    with progress_of(config.model_name, precision) as on_step:
        export_named(config, entry / FINISHED, precision, on_step=on_step)
    if entry_of(config) != entry:
        shutil.rmtree(entry)
        raise ModelLoadError(
            f"the files of {config.model_name!r} changed while it was exported, so the export was removed; load the "
            "model again"
        )


@contextmanager
def _only_process(entry: Path, model_name: str) -> Iterator[None]:
    """Hold the lock of an entry in the block. The system releases the lock of a process that dies."""
    lock = _lock(entry)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another process, which exports %s", model_name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock(entry: Path) -> FileLock:
    """Return the lock of an entry. Its file stays beside the entry, since a removed one could be locked twice."""
    return FileLock(entry.with_name(f".{entry.name}.lock"))


def _remove_interrupted(entry: Path) -> None:
    """Remove what a dead process left in an entry whose lock this process holds."""
    for left in entry.glob(f"{STAGED}*"):
        shutil.rmtree(left, ignore_errors=True)


def clear_cache() -> list[Path]:
    """Remove all exports of the cache, and return the entries that stay because a process exports into them.

    Raises:
        ConfigurationError: An entry cannot be removed.
    """
    busy = []
    for entry in entries():
        try:
            with _lock(entry).acquire(timeout=0):
                shutil.rmtree(entry)
        except Timeout:
            busy.append(entry)
        except OSError as error:
            raise ConfigurationError(
                f"cannot remove {str(entry)!r} ({error.strerror or error}); remove the folder yourself"
            ) from error
    return busy


@contextmanager
def _failures_named(config: ScorerConfig, entry: Path) -> Iterator[None]:
    """Say what to do if the cache cannot be written, or a package is missing."""
    try:
        yield
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{config.model_name!r} has no exported graph, so backend {config.backend!r} must export it first. But {error}, "
            "or pass a folder that `bge-rerank export` wrote"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the export of {config.model_name!r} to {str(entry)!r} ({error.strerror or error}); set "
            f"{VARIABLE} to a folder with free space that you may write, or use backend='torch'"
        ) from error
