"""The parts of a graph that are not quantised to 8 bits: sensitive products, and the tables of embeddings.

Word embeddings are stored in float16. In 8 bits they would be wrong by one part in a hundred, and lookups
would not be faster.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import onnx
from onnx import helper, numpy_helper

LAYER_MATRICES = 8
"""The products of a layer, in the graph's order: query, key, value, attention's output, then the feed-forward's
first product for the other neurons and for the outliers, and its second product for both."""
FIRST_OF_OTHERS = 4
OUTLIER_MATRICES = 5, 7
LAST_LAYER_MATRICES = 6
"""The products of the last layer, whose feed-forward is not divided."""
HEAD_MATRICES = 2
"""The products of the head: BERT's pooler and classifier, or RoBERTa's head."""


def kept_in_float(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the products and of the lookups that keep their precision.

    - Attention's products, which have no weights.
    - The outliers' part of each feed-forward (`with_outliers_apart`).
    - The products of the last layer that are computed for one token only, and the head.
    - The first layer's first feed-forward product. On mini, a quarter of the squared error came from it.
    - All embeddings. Their errors repeat at each occurrence of a token, segment or position.
    """
    weights = {weight.name for weight in graph.graph.initializer}
    products = [node for node in graph.graph.node if node.op_type in ("MatMul", "Gemm")]
    of_weights = [node.name for node in products if node.input[1] in weights]
    of_activations = [node.name for node in products if node.input[1] not in weights]
    *_, query, _, _, attended, first, second = of_weights[:-HEAD_MATRICES]
    layers = of_weights[: -HEAD_MATRICES - LAST_LAYER_MATRICES]
    outliers = [layers[place::LAYER_MATRICES] for place in OUTLIER_MATRICES]
    return [
        *(node.name for node in lookups(graph)),
        *of_activations,
        *chain(*outliers),
        *layers[FIRST_OF_OTHERS : FIRST_OF_OTHERS + 1],
        *(query, attended, first, second),
        *of_weights[-HEAD_MATRICES:],
    ]


def lookups(graph: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the lookups in tables of weights, by size. The last is that of the word embeddings."""
    rows = {weight.name: weight.dims[0] for weight in graph.graph.initializer if weight.dims}
    gathers = [node for node in graph.graph.node if node.op_type == "Gather"]
    return sorted(
        (node for node in gathers if node.input[0] in rows), key=lambda node: rows[node.input[0]]
    )


def with_table_in_half(model: onnx.ModelProto, lookup: str) -> None:
    """Store the float32 table of a lookup in float16. Rows are converted to float32 after the lookup.

    The weights must be in the graph, not in a separate file.
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
