"""Fewer bits in a graph: the weights of scaled products in int8, and word embeddings in float16.

All of these keep their precision:

- Attention's products, which have no weights.
- The outliers' part of each feed-forward (`with_outliers_apart`).
- The products of the last layer that are computed for one token only, and the head.
- The first layer's first feed-forward product. On mini, a quarter of the squared error came from it.
- The small tables of embeddings. Their errors would repeat at each occurrence of a position or segment. Words in
  8 bits would be wrong by one part in a hundred, and lookups would not be faster.

The graph has one fixed step for each tensor of activations, and one for each output channel of weights. So a
pair's score does not depend on the other pairs of its batch, as it would with steps that are computed for each
batch (onnxruntime #10111).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch.nn import Parameter
from torch.nn.functional import embedding

from bge_rerank.export.copies import copy_of
from bge_rerank.export.rounding import LARGEST

SHIFT = "._shift"
"""The end of the name of each weight that `ScaledLinear` adds to its scaled input."""


def with_words_in_half(model: Any) -> Any:
    """Return a copy of a classifier whose word embeddings are float16. A lookup converts them to float32."""
    halved = copy_of(model)
    embeddings = halved.base_model.embeddings
    embeddings.word_embeddings = _HalfTable(embeddings.word_embeddings)
    return halved


class _HalfTable(torch.nn.Module):
    def __init__(self, table: torch.nn.Embedding) -> None:
        super().__init__()
        self.weight = Parameter(table.weight.detach().half(), requires_grad=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return embedding(ids, self.weight).float()


def store_in_8_bits(model: ir.Model) -> None:
    """Round the inputs of the scaled products to 8 bits, and store their weights as int8, in an exported graph.

    The inputs reach from -1 to 1, as `ScaledLinear` scales them. The weights must be whole multiples of a 127th of
    the largest weight of their output, as `rounded` returns them. A graph without such products does not change.
    """
    graph = model.graph
    for node in list(graph):
        names = [value.name or "" for value in node.inputs if value is not None]
        if node.op_type == "Add" and any(name.endswith(SHIFT) for name in names):
            products = [use.node for use in node.outputs[0].uses()]
            given = _rounded_input(graph, node)
            for product in products:
                product.replace_input_with(0, given)
                _store_weights(graph, product)


def _rounded_input(graph: ir.Graph, node: ir.Node) -> ir.Value:
    """Convert the result of a node to 8 bits and back, and return the new result."""
    value = node.outputs[0]
    step = _weight(graph, f"{value.name}_step", np.float32(1 / LARGEST))
    zero = _weight(graph, f"{value.name}_zero", np.int8(0))
    eight_bits = ir.node("QuantizeLinear", [value, step, zero])
    back = ir.node("DequantizeLinear", [eight_bits.outputs[0], step, zero])
    eight_bits.outputs[0].name = f"{value.name}_in_8_bits"
    back.outputs[0].name = f"{value.name}_rounded"
    graph.insert_after(node, [eight_bits, back])
    return back.outputs[0]


def _store_weights(graph: ir.Graph, product: ir.Node) -> None:
    """Replace the float32 weights of a product by int8 weights, with one step for each output."""
    weight = product.inputs[1]
    assert weight is not None  # for type checkers; a product has two inputs
    assert weight.const_value is not None  # the exporter writes weights into the graph
    values = weight.const_value.numpy()
    steps = np.abs(values).max(0).clip(min=np.finfo(np.float32).tiny) / np.float32(LARGEST)
    inputs = [
        _weight(graph, f"{weight.name}_in_8_bits", np.rint(values / steps).astype(np.int8)),
        _weight(graph, f"{weight.name}_steps", steps),
        _weight(graph, f"{weight.name}_zeros", np.zeros(len(steps), np.int8)),
    ]
    in_float = ir.node("DequantizeLinear", inputs, attributes={"axis": 1})
    in_float.outputs[0].name = f"{weight.name}_rounded"
    graph.insert_before(product, in_float)
    product.replace_input_with(1, in_float.outputs[0])
    del graph.initializers[str(weight.name)]


def _weight(graph: ir.Graph, name: str, array: Any) -> ir.Value:
    """Add an array to the graph's weights."""
    value = ir.val(name, const_value=ir.tensor(array, name=name))
    graph.register_initializer(value)
    return value
