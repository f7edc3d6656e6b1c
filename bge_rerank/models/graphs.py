"""`find_graph`: which of a model's exported graphs a backend runs, in the layouts that tools write and the hub holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bge_rerank.models.config import Dtype, ModelOptions
from bge_rerank.models.manifest import GRAPH_FILE, GRAPH_FOLDER, MANIFEST_FILE

ONNX_GRAPHS = {
    "model.onnx": "float32",
    "model_fp16.onnx": "float16",
    "model_int8.onnx": "int8",
    "model_quantized.onnx": "int8",
    "model_qint8_avx512_vnni.onnx": "int8",
}
"""The names that Optimum, transformers.js and sentence-transformers give to ONNX graphs, and the precision of each."""
OPENVINO_GRAPHS = {
    "openvino_model.xml": "float32",
    "openvino_model_qint8_quantized.xml": "int8",
}
"""The names that Optimum and sentence-transformers give to OpenVINO's graphs."""
PRECISIONS = ("float32", "float16", "int8")
"""The precisions of graphs, the preferred one first: by default, a graph keeps the precision of the model."""

MANIFEST = f"{GRAPH_FOLDER}/{MANIFEST_FILE}"
OWN_GRAPH = f"{GRAPH_FOLDER}/{GRAPH_FILE}"
"""The graph of `bge-rerank export`, if the manifest lies beside it."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph among a model's files.

    Attributes:
        path: Its path from the model's folder.
        precision: The precision that its name promises.
        is_ours: Whether `bge-rerank export` wrote it. Its manifest then says the precision.
    """

    path: str
    precision: str
    is_ours: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Patterns of the files that it needs: the graph, and weights beside it."""
        return (self.path, weights_of(self.path), *([MANIFEST] if self.is_ours else []))


def weights_of(graph: str) -> str:
    """Return the pattern of the files with a graph's weights, beside the graph.

    >>> weights_of("onnx/model.onnx"), weights_of("openvino_model.xml")
    ('onnx/model.onnx?data*', 'openvino_model.bin')
    """
    return f"{graph.removesuffix('.xml')}.bin" if graph.endswith(".xml") else f"{graph}?data*"


def find_graph(
    names: Collection[str], backend: str, dtype: Dtype = ModelOptions.dtype
) -> Graph | None:
    """Return the graph that a backend runs: ours, or the best one of another tool.

    Args:
        names: The paths of the model's files.
        backend: `"onnx"` reads ONNX graphs. `"openvino"` reads these too, and prefers its own.
        dtype: The wanted precision. `"auto"` takes any, but int8 only if the model has no weights: with weights,
            the model can be exported in a precision that changes its scores less.

    >>> names = ["config.json", "model.onnx", "onnx/model_int8.onnx"]
    >>> find_graph(names, "onnx").path, find_graph(names, "onnx", "int8").path
    ('model.onnx', 'onnx/model_int8.onnx')
    """
    if {MANIFEST, OWN_GRAPH} <= set(names):
        return Graph(OWN_GRAPH, "float32", is_ours=True)
    if dtype == "auto":
        wanted = [each for each in PRECISIONS if each != "int8" or not has_weights(names)]
    else:
        wanted = [
            "float32" if dtype == "bfloat16" else dtype
        ]  # the runtime rounds while it computes
    return next((each for each in graphs_in(names, backend) if each.precision in wanted), None)


def graphs_in(names: Collection[str], backend: str) -> list[Graph]:
    """Return the graphs among a model's files that a backend can read, the preferred one first."""
    found = [graph for graph in _known(backend) if graph.path in names]
    return sorted(found, key=lambda graph: PRECISIONS.index(graph.precision))


def has_weights(names: Collection[str]) -> bool:
    """Say whether a model's files have weights that torch may load."""
    return any(fnmatchcase(name, "*.safetensors") and "/" not in name for name in names)


def _known(backend: str) -> Iterator[Graph]:
    kinds = [("onnx", ONNX_GRAPHS)]
    if backend == "openvino":
        kinds.insert(0, ("openvino", OPENVINO_GRAPHS))
    for folder, graphs in kinds:
        for name, precision in graphs.items():
            yield Graph(f"{folder}/{name}", precision)
            yield Graph(name, precision)
