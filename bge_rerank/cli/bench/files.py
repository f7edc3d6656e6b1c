"""The weights and the exports that contenders read, in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.exports import EXPORTS, write_float32
from bge_rerank.cli.bench.geometry import GEOMETRIES, make_random_reranker
from bge_rerank.cli.bench.own_process import in_own_process
from bge_rerank.cli.bench.progress import progress
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.errors import MissingDependencyError, RerankError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import choose_max_length, read_config


@dataclass(frozen=True, slots=True)
class Files:
    """The folders that contenders read: the model's float32 weights and its exports.

    `failures` says why an export is missing, by its name. `max_length` is the maximum length of a pair in tokens.
    """

    weights: Path
    exports: Mapping[str, Path]
    failures: Mapping[str | None, str]
    max_length: int

    def folder(self, contender: Contender) -> Path:
        """Return the folder that a contender reads."""
        return self.exports[contender.export] if contender.export else self.weights

    @property
    def config(self) -> dict[str, Any]:
        """Return the model's `config.json`."""
        return read_config(ScorerConfig(str(self.weights))).contents

    @property
    def bytes_of_weights(self) -> int:
        """Return the size of the weights."""
        return sum(file.stat().st_size for file in self.weights.glob("*.safetensors"))


@contextmanager
def make_files(settings: Settings, contenders: Sequence[Contender]) -> Iterator[Files]:
    """Write the model in float32 and the exports that contenders need. Delete them after the block.

    Raises:
        RerankError: The model could not be found, read or built.
        ConfigurationError: The model has fewer positions than `max_length`.
    """
    names = list(dict.fromkeys(contender.export for contender in contenders if contender.export))
    with tempfile.TemporaryDirectory(prefix="bge-rerank-bench-") as temporary:
        folder = Path(temporary)
        with progress(1 + len(names)) as tick:
            tick("weights")
            max_length = _write_weights(settings, folder / "weights")
            exports, failures = _write_exports(names, folder, settings.threads, tick)
        yield Files(folder / "weights", exports, failures, max_length)


def failure_of(error: RerankError) -> str:
    """Return the reason why a figure is missing, in a few words.

    >>> failure_of(MissingDependencyError("No module named 'optimum'"))
    "not installed: No module named 'optimum'"
    """
    kind = "not installed" if isinstance(error, MissingDependencyError) else "failed"
    return f"{kind}: {error}"


def _write_weights(settings: Settings, folder: Path) -> int:
    """Write the weights, and return the maximum length of a pair."""
    if settings.geometry:
        geometry = GEOMETRIES[settings.geometry]
        in_own_process(make_random_reranker, geometry, folder, threads=settings.threads)
        return _max_length(settings, str(folder))
    # Checked first, so that a wrong name or length fails before anything is loaded.
    max_length = _max_length(settings, settings.model_name)
    in_own_process(
        write_float32, settings.model_name, folder, threads=settings.threads, offline=False
    )
    return max_length


def _max_length(settings: Settings, model_name: str) -> int:
    config = ScorerConfig(model_name, max_length=settings.max_length)
    return choose_max_length(config, read_config(config))


def _write_exports(
    names: Sequence[str], folder: Path, threads: int, tick: Callable[[str], None]
) -> tuple[dict[str, Path], dict[str | None, str]]:
    exports: dict[str, Path] = {}
    failures: dict[str | None, str] = {}
    for name in names:
        tick(f"export: {name}")
        target = folder / name.replace(" ", "-")
        try:
            in_own_process(EXPORTS[name], folder / "weights", target, threads=threads)
            exports[name] = target
        except RerankError as error:
            failures[name] = failure_of(error)
    return exports, failures
