"""Exports as other tools write them, made from an export of `bge-rerank export`."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
from onnx import helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic


def write_onnx(source: Path, path: Path, data: str | None = None) -> None:
    """Write the graph of an export to another path, with its weights in a file beside it if `data` names one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = onnx.load(source / "onnx/model.onnx")
    onnx.save(graph, path, save_as_external_data=data is not None, location=data)


def write_int8(source: Path, path: Path) -> None:
    """Quantise the graph of an export with one activation scale for each tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    quantize_dynamic(source / "onnx/model.onnx", path)


def write_openvino(source: Path, path: Path) -> None:
    """Write the graph of an export in OpenVINO's own format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(ov.Core().read_model(source / "onnx/model.onnx"), path, compress_to_fp16=False)


def write_with_output(source: Path, path: Path, name: str, columns: int | None) -> None:
    """Write the graph with its output renamed, and repeated in columns; `None` gives it one dimension."""
    model = onnx.load(source / "onnx/model.onnx")
    old, shape = model.graph.output[0].name, "shape of the output"
    sizes = [-1] if columns is None else [1, columns]
    model.graph.initializer.append(
        helper.make_tensor(shape, onnx.TensorProto.INT64, [len(sizes)], sizes)
    )
    for node in model.graph.node:
        node.output[:] = ["one column" if each == old else each for each in node.output]
    kind = "Reshape" if columns is None else "Tile"
    model.graph.node.append(helper.make_node(kind, ["one column", shape], [name]))
    dimensions = ["sequences"] if columns is None else ["sequences", columns]
    output = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dimensions)
    model.graph.output[0].CopyFrom(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def write_with_largest_sums(path: Path, terms: int) -> None:
    """Write an int8 graph whose logit is a sum of the largest products in 8 bits: `terms` times 1, for each pair."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights: dict[str, Any] = {
        "words": np.ones((10, terms), np.float32),
        "first": np.int64(0),
        "step": np.float32(1 / 127),
        "zero": np.int8(0),
        "eight bits": np.full((terms, 1), 127, np.int8),
    }
    nodes = [
        (["input_ids", "first"], "Gather", "special token", {"axis": 1}),
        (["words", "special token"], "Gather", "embedded", {}),
        (["embedded", "step", "zero"], "QuantizeLinear", "rounded", {}),
        (["rounded", "step", "zero"], "DequantizeLinear", "states", {}),
        (["eight bits", "step", "zero"], "DequantizeLinear", "product", {}),
        (["states", "product"], "MatMul", "logits", {}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, given, [name], **more) for given, kind, name, more in nodes],
        "largest sums",
        [
            helper.make_tensor_value_info(
                "input_ids", onnx.TensorProto.INT64, ["sequences", "tokens"]
            )
        ],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["sequences", 1])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def without_graph(source: Path, folder: Path) -> Path:
    """Copy the files of an export except its graph and manifest."""
    return Path(shutil.copytree(source, folder, ignore=shutil.ignore_patterns("onnx")))
