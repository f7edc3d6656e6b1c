import pytest

from bge_rerank.models.config import Dtype
from bge_rerank.models.graphs import Graph, find_graph, has_weights

OURS = ["onnx/model.onnx", "onnx/bge_rerank.json"]
ALL = ["model.onnx", "onnx/model_int8.onnx", "onnx/model_fp16.onnx", "openvino/openvino_model.xml"]


@pytest.mark.parametrize(
    ("names", "backend", "dtype", "path"),
    [
        (ALL, "onnx", "auto", "model.onnx"),
        (ALL, "onnx", "float16", "onnx/model_fp16.onnx"),
        (ALL, "onnx", "int8", "onnx/model_int8.onnx"),
        (ALL, "openvino", "auto", "openvino/openvino_model.xml"),
        (ALL, "openvino", "bfloat16", "openvino/openvino_model.xml"),
        (ALL, "openvino", "int8", "onnx/model_int8.onnx"),
        (["model_quantized.onnx", "onnx/model_fp16.onnx"], "onnx", "auto", "onnx/model_fp16.onnx"),
        (["model.onnx", "onnx/model.onnx"], "onnx", "auto", "onnx/model.onnx"),
        ([*ALL, *OURS], "openvino", "int8", "onnx/model.onnx"),
    ],
)
def test_the_graph_is_ours_or_else_fits_backend_and_dtype(
    names: list[str], backend: str, dtype: Dtype, path: str
) -> None:
    graph = find_graph(names, backend, dtype)
    assert graph is not None
    assert graph.path == path
    assert graph.is_ours == (OURS[1] in names)


def test_no_graph_is_found_in_another_format_place_or_precision() -> None:
    assert find_graph(["openvino_model.xml", "deep/er/model.onnx", "embedder.onnx"], "onnx") is None
    assert find_graph(["model.onnx"], "onnx", "int8") is None


def test_an_int8_graph_beside_weights_is_found_only_on_demand() -> None:
    names = ["model_int8.onnx", "model.safetensors"]
    assert find_graph(names, "onnx") is None
    assert find_graph(names, "onnx", "int8") == Graph("model_int8.onnx", "int8")
    assert find_graph(names[:1], "onnx") == Graph("model_int8.onnx", "int8")


def test_a_manifest_without_its_graph_is_not_an_export_of_ours() -> None:
    assert find_graph([OURS[1], "model.onnx"], "onnx") == Graph("model.onnx", "float32")


def test_only_safetensors_in_the_models_own_folder_are_weights() -> None:
    assert has_weights(["config.json", "model-00001-of-00002.safetensors"])
    assert not has_weights(["pytorch_model.bin", "1_Dense/model.safetensors"])
