import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from bge_rerank.export.kept_in_float import with_table_in_half

TABLE = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
OTHER = np.ones((2, 4), np.float32)


def graph_of_two_lookups() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gather", ["other", "ids"], ["first"], "small"),
        helper.make_node("Gather", ["table", "ids"], ["second"], "words"),
        helper.make_node("Add", ["first", "second"], ["sum"], "add"),
    ]
    graph = helper.make_graph(
        nodes,
        "lookups",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(OTHER, "other"), numpy_helper.from_array(TABLE, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_only_the_named_lookup_returns_rows_rounded_to_float16() -> None:
    model = graph_of_two_lookups()
    with_table_in_half(model, "words")
    onnx.checker.check_model(model, full_check=True)
    weights = {weight.name: weight.data_type for weight in model.graph.initializer}
    assert weights == {"other": TensorProto.FLOAT, "table": TensorProto.FLOAT16}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"ids": np.array([0, 1])})
    np.testing.assert_array_equal(found, 1 + TABLE[:2].astype(np.float16).astype(np.float32))
