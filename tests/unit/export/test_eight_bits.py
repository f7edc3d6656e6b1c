from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import torch

from bge_rerank.backends.torch.scorer import TorchScorer
from bge_rerank.export.eight_bits import store_in_8_bits, with_words_in_half
from bge_rerank.models.config import ScorerConfig

DRAW = np.random.default_rng(3)
WEIGHTS = (np.array([[127, -3], [5, 127], [-90, 64]]) * [0.01, 0.3]).astype(np.float32)
"""Weights of two outputs, which are whole multiples of 0.01 and of 0.3."""
ROWS = DRAW.uniform(-1, 1, (50, 3)).astype(np.float32)


def graph_with(shift: str) -> ir.Model:
    """Return a graph that adds 0 to its input, under a name, and multiplies the sum by weights twice."""
    rows = ir.Input("rows", ir.Shape(["n", 3]), ir.TensorType(ir.DataType.FLOAT))
    zeros = ir.val(shift, const_value=ir.tensor(np.zeros(3, np.float32), name=shift))
    weights = [ir.val(name, const_value=ir.tensor(WEIGHTS, name=name)) for name in ("a", "b")]
    add = ir.node("Add", [rows, zeros])
    products = [ir.node("MatMul", [add.outputs[0], each]) for each in weights]
    total = ir.node("Add", [each.outputs[0] for each in products])
    total.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    total.outputs[0].shape = ir.Shape(["n", 2])
    graph = ir.Graph(
        [rows],
        [total.outputs[0]],
        nodes=[add, *products, total],
        initializers=[zeros, *weights],
        opset_imports={"": 18},
        name="products",
    )
    return ir.Model(graph, ir_version=10)


def run(model: ir.Model) -> np.ndarray:
    options = ort.SessionOptions()
    # Kernels for 8 bits may saturate sums, so the graph runs as it is written.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    proto = ir.to_proto(model).SerializeToString()
    session = ort.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"rows": ROWS})
    return np.asarray(found)


def test_inputs_of_scaled_products_are_rounded_to_a_127th_and_weights_are_exact() -> None:
    model = graph_with("model.layer._shift")
    store_in_8_bits(model)
    rounded = np.rint(ROWS * 127) / 127
    np.testing.assert_allclose(run(model), 2 * rounded @ WEIGHTS, rtol=1e-5, atol=1e-4)


def test_products_with_the_same_input_share_its_rounding_and_weights_are_stored_as_int8() -> None:
    model = graph_with("model.layer._shift")
    store_in_8_bits(model)
    operations = [node.op_type for node in model.graph]
    assert operations.count("QuantizeLinear") == 1
    stored = {name: value.const_value for name, value in model.graph.initializers.items()}
    of_weights = [each for each in stored.values() if each is not None and each.shape == (3, 2)]
    assert [each.dtype for each in of_weights] == [ir.DataType.INT8] * 2


def test_a_graph_without_scaled_products_does_not_change() -> None:
    model = graph_with("bias")
    before = ir.to_proto(model).SerializeToString()
    store_in_8_bits(model)
    assert ir.to_proto(model).SerializeToString() == before


def test_words_are_rounded_to_float16_in_the_copy_alone(tiny_reranker: Path) -> None:
    config = ScorerConfig(str(tiny_reranker), "torch", device="cpu", dtype="float32")
    model = TorchScorer(config, blocks=False).model
    ids = torch.arange(5, 45)
    words = model.base_model.embeddings.word_embeddings
    halved = with_words_in_half(model).base_model.embeddings.word_embeddings
    assert torch.equal(halved(ids), words(ids).half().float())
    assert not torch.equal(halved(ids), words(ids))
    assert words.weight.dtype == torch.float32
