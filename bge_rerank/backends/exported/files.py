"""Find and check an exported model's files, for the backends without torch."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.errors import ConfigurationError, ModelLoadError
from bge_rerank.models.config import ScorerConfig, names_cpu
from bge_rerank.models.export_cache import cached_export, lacks_graph
from bge_rerank.models.files import (
    choose_max_length,
    file_names,
    loading_errors,
    model_folder,
    read_config,
)
from bge_rerank.models.graphs import OWN_GRAPH, Graph, find_graph, graphs_in, weights_of
from bge_rerank.models.manifest import MAIN, read_manifest, verify

logger = logging.getLogger(__name__)

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}
"""The precisions of `bge-rerank export`, as the option `dtype` calls them."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A graph, and the encoder of its inputs.

    Attributes:
        graph: The file of the graph.
        encoder: Encodes pairs for the graph.
        pad_token_id: The token id of padding.
        precision: The precision in the manifest, as in `dtype`; that of the graph's name if another tool made it.
        source_model: The exported model; the graph's own name if another tool made it.
        source_revision: The hub revision of the exported model, for a graph with a manifest of its own.
        is_ours: Whether `bge-rerank export` made the graph, and compared its scores with the model's.
        is_cached: Whether the graph was made on first use, from a model that has none.
    """

    graph: Path
    encoder: PairEncoder
    pad_token_id: int
    precision: str
    source_model: str
    source_revision: str | None
    is_ours: bool
    is_cached: bool


def read_export(config: ScorerConfig) -> ExportedModel:
    """Find a model's exported graph in a local folder or a hub repository, and check its files.

    Raises:
        ModelLoadError: The graph is missing, or differs from the exported one.
        UnsupportedModelError: The model needs a template, which this backend does not read.
        ConfigurationError: An option does not fit the model, or needs torch.
    """
    check_options(config)
    model = read_config(config)
    model.check_needs_no_template(config)
    names = file_names(config)
    cached = cached_export(config) if lacks_graph(config, names) else None
    graph = Graph(OWN_GRAPH, "float32", is_ours=True) if cached else _graph_of(config, names)
    folder = cached or model_folder(config, ["config.json", "tokenizer.json", *graph.files])
    path = folder / graph.path
    manifest = read_manifest(path.parent) if graph.is_ours else None
    if manifest:
        verify(manifest, folder)
    exported = ExportedModel(
        path,
        PairEncoder.of(config, _tokenizer(folder), choose_max_length(config, model)),
        pad_token_id=int(model.contents.get("pad_token_id") or 0),
        precision=DTYPES[manifest.precision] if manifest else graph.precision,
        # An export in the cache is called as its model, although the model may have had another name when it was made.
        source_model=manifest.source_model if manifest and not cached else config.model_name,
        source_revision=manifest.revision or MAIN if manifest and not cached else None,
        is_ours=manifest is not None,
        is_cached=cached is not None,
    )
    logger.info(
        "backend %r takes the graph %s of %s, stored in %s",
        *(config.backend, graph.path, config.model_name, exported.precision),
    )
    return exported


def _graph_of(config: ScorerConfig, names: Collection[str]) -> Graph:
    graph = find_graph(names, config.backend, config.dtype)
    if graph:
        return graph
    others = [each.path for each in graphs_in(names, config.backend)]
    if others:
        raise ConfigurationError(
            f"dtype is {config.dtype!r}, but {config.model_name!r} has only {', '.join(others)}; leave dtype out, or "
            "export the model in another precision"
        )
    raise ModelLoadError(
        f"{config.model_name!r} has no exported graph that backend {config.backend!r} reads, such as "
        f"onnx/model.onnx; run `bge-rerank export {config.model_name} FOLDER`, and pass FOLDER as model_name"
    )


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelLoadError(
            f"{str(folder)!r} has a graph but no tokenizer.json; copy the file from the model that was exported"
        )
    with loading_errors(str(path)):
        return Tokenizer.from_file(str(path))


@contextmanager
def without_links(graph: Path) -> Iterator[Path]:
    """Yield a path of the graph with its external weights beside it as files, not as symbolic links.

    The hub's cache has symbolic links to another folder, but OpenVINO reads weights only from the graph's own folder.
    During the block, a folder contains the files as hard links, which take no space. If the cache allows no hard
    links, a temporary folder contains copies.

    Raises:
        OSError: The disk is too full for copies.
    """
    weights = list(graph.parent.glob(weights_of(graph.name)))
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


def check_options(config: ScorerConfig) -> None:
    """Refuse options that exported graphs do not support.

    Raises:
        ConfigurationError: An option cannot work.
    """
    if config.device is not None and not names_cpu(config):
        raise ConfigurationError(
            f"device is {config.device!r}, but backend {config.backend!r} runs only on the CPU; leave device out, or "
            "use backend='torch'"
        )
