"""Write mini's int8 graph, `bge_rerank_mini/model/model_int8.onnx`, from its weights.

Run it after training, from the root of the project, with `bge-rerank[export]` installed:
`python mini/graph.py`. The word embeddings, half of the graph, stay in `model.safetensors`: the
graph refers to their bytes there.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from bge_rerank.export import export_model
from onnx.external_data_helper import set_external_data

import bge_rerank_mini

EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
GRAPH, WEIGHTS = "model_int8.onnx", "model.safetensors"


def place_of(tensor: str, path: Path) -> tuple[int, int]:
    """Return where the bytes of a tensor begin in a safetensors file, and how many they are."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        start, end = json.loads(file.read(size))[tensor]["data_offsets"]
    return 8 + size + start, end - start


def refer(tensor: onnx.TensorProto, weights: Path) -> None:
    """Take the bytes of the embeddings out of a graph, which then reads those of the weights.

    Raises:
        ValueError: The bytes differ.
    """
    offset, length = place_of(EMBEDDINGS, weights)
    with weights.open("rb") as file:
        file.seek(offset)
        if file.read(length) != tensor.raw_data:
            raise ValueError(f"{tensor.name} of the graph has other bytes than {EMBEDDINGS}")
    set_external_data(tensor, WEIGHTS, offset, length)
    tensor.ClearField("raw_data")


def main() -> None:
    """Export mini in int8, and write the graph beside its weights."""
    folder = Path(bge_rerank_mini.path())
    with TemporaryDirectory() as exported:
        export_model("mini", exported, precision="int8")
        graph = onnx.load(Path(exported, "onnx", "model.onnx"))
    [embeddings] = [each for each in graph.graph.initializer if each.name.endswith(EMBEDDINGS)]
    refer(embeddings, folder / WEIGHTS)
    onnx.save(graph, folder / GRAPH)
    print(f"{folder / GRAPH}: {(folder / GRAPH).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
