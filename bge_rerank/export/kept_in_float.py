"""The words' embeddings in float16: 8 bits round them by a hundredth, and a lookup is no faster for it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def with_table_in_half(model: onnx.ModelProto, lookup: str) -> None:
    """Keep the table of a lookup in float16, and turn what is looked up into float32.

    Args:
        model: A graph that holds its weights; it is changed.
        lookup: The name of the lookup, a `Gather` whose table is a float32 weight.
    """
    graph = model.graph
    place, node = next(item for item in enumerate(graph.node) if item[1].name == lookup)
    table = next(weight for weight in graph.initializer if weight.name == node.input[0])
    half = numpy_helper.to_array(table).astype(np.float16)
    table.CopyFrom(numpy_helper.from_array(half, table.name))
    found, node.output[0] = node.output[0], f"{node.output[0]}_half"
    cast = helper.make_node(
        "Cast", [node.output[0]], [found], f"{lookup}_to_float", to=onnx.TensorProto.FLOAT
    )
    graph.node.insert(place + 1, cast)
