"""Find and check an exported model's files, for the backends without torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.errors import ConfigurationError, ModelLoadError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import (
    GRAPH_FILES,
    choose_max_length,
    loading_errors,
    model_folder,
    read_config,
)
from bge_rerank.models.manifest import (
    GRAPH_FILE,
    GRAPH_FOLDER,
    Precision,
    read_manifest,
    verify,
)


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A graph, and the encoder of its inputs.

    Attributes:
        graph: The file of the graph.
        encoder: Encodes pairs for the graph.
        pad_token_id: The token id of padding.
        precision: The precision in the manifest; `"fp32"` if another tool made the graph.
        source_model: The exported model; the graph's own name if another tool made it.
        source_revision: The hub revision of the exported model.
    """

    graph: Path
    encoder: PairEncoder
    pad_token_id: int
    precision: Precision
    source_model: str
    source_revision: str | None


def read_export(config: ScorerConfig) -> ExportedModel:
    """Find a model's exported graph in a local folder or a hub repository, and check its files.

    Raises:
        ModelLoadError: The graph is missing, or differs from the exported one.
        ConfigurationError: An option does not fit the model, or needs torch.
    """
    _check_options(config)
    model = read_config(config)
    folder = model_folder(config, GRAPH_FILES)
    graph = folder / GRAPH_FOLDER / GRAPH_FILE
    if not graph.is_file():
        raise ModelLoadError(
            f"{config.model_name!r} has no {GRAPH_FOLDER}/{GRAPH_FILE}; run "
            f"`bge-rerank export {config.model_name} FOLDER`, and pass FOLDER as model_name"
        )
    manifest = read_manifest(graph.parent)
    if manifest:
        verify(manifest, folder)
    tokenizer_file = str(folder / "tokenizer.json")
    with loading_errors(tokenizer_file):
        tokenizer = Tokenizer.from_file(tokenizer_file)
    return ExportedModel(
        graph,
        PairEncoder(tokenizer, choose_max_length(config, model), config.special_tokens_in_text),
        pad_token_id=int(model.contents.get("pad_token_id") or 0),
        precision=manifest.precision if manifest else "fp32",
        source_model=manifest.source_model if manifest else config.model_name,
        source_revision=manifest.revision if manifest else config.revision,
    )


@contextmanager
def without_links(graph: Path) -> Iterator[Path]:
    """Yield a path of the graph with its external weights beside it as files, not as symbolic links.

    The hub's cache has symbolic links to another folder, but OpenVINO reads weights only from the graph's own folder.
    During the block, a folder contains the files as hard links, which take no space. If the cache allows no hard
    links, a temporary folder contains copies.

    Raises:
        OSError: The disk is too full for copies.
    """
    weights = list(graph.parent.glob(f"{graph.name}*data"))
    if not any(path.is_symlink() for path in weights):
        yield graph
        return
    with _folder_of({path.name: path.resolve() for path in (graph, *weights)}) as folder:
        yield Path(folder) / graph.name


def _folder_of(files: Mapping[str, Path]) -> TemporaryDirectory[str]:
    try:
        return _filled(files, next(iter(files.values())).parent, os.link)
    except OSError:
        return _filled(files, None, shutil.copyfile)


def _filled(
    files: Mapping[str, Path], parent: Path | None, put: Callable[[Path, Path], object]
) -> TemporaryDirectory[str]:
    folder = TemporaryDirectory(dir=parent, ignore_cleanup_errors=True)
    try:
        for name, path in files.items():
            put(path, Path(folder.name) / name)
    except OSError:
        folder.cleanup()
        raise
    return folder


def _check_options(config: ScorerConfig) -> None:
    if config.device not in (None, "cpu"):
        raise ConfigurationError(
            f"device is {config.device!r}, but backend {config.backend!r} runs only on the CPU; leave device out, or "
            "use backend='torch'"
        )
    if config.cutoff_layers is not None:
        raise ConfigurationError(
            "cutoff_layers works only with layerwise models; leave it out, or use backend='flag'"
        )
