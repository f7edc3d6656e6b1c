"""The parts of a graph that stay out of 8 bits: sensitive products, and the tables of embeddings.

The words' embeddings go to float16: 8 bits round them by a hundredth, and a lookup is no faster for it.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import onnx
from onnx import helper, numpy_helper

LAYER_MATRICES = 8
"""Query, key, value, attention's output, then the feed-forward's first of the others and of the outliers,
and its second of both, in this order in the graph."""
FIRST_OF_OTHERS = 4
OUTLIER_MATRICES = 5, 7
LAST_LAYER_MATRICES = 6
"""There the feed-forward is whole."""
HEAD_MATRICES = 2
"""Those of a BERT pooler and classifier, or of RoBERTa's head."""


def kept_in_float(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the products, and of the lookups in tables, that stay as they are.

    Attention's products have no weights. Of a feed-forward stays the part of the outliers, of the last
    layer what is computed for one token alone, and the head. The first layer's feed-forward into the
    others stays too: on mini a quarter of the squared error came from that product alone. So do all
    embeddings, whose errors are the same wherever a token, its segment or its position comes.
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
    """Return the lookups in tables of weights, that of the largest, the words', last."""
    rows = {weight.name: weight.dims[0] for weight in graph.graph.initializer if weight.dims}
    gathers = [node for node in graph.graph.node if node.op_type == "Gather"]
    return sorted(
        (node for node in gathers if node.input[0] in rows), key=lambda node: rows[node.input[0]]
    )


def with_table_in_half(model: onnx.ModelProto, lookup: str) -> None:
    """Change a graph to keep the float32 table of a named lookup in float16.

    What is looked up is turned into float32. The graph holds its weights itself.
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
