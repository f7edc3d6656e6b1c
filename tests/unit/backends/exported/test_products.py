from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("openvino")

import openvino as ov
from openvino import opset13 as ops

from bge_rerank.backends.exported.products import keep_states_in_float, product_in_8_bits

WEIGHTS = np.array([[127], [-127], [64]], np.int8)
STATES = np.array([[0.301, 0.1, 0.7]], np.float32)
IN_FLOAT = STATES @ (WEIGHTS / np.float32(127))


def in_openvinos_format() -> ov.Model:
    return product_in_8_bits(1, WEIGHTS)


def in_onnx_format() -> ov.Model:
    """Return what OpenVINO reads for QuantizeLinear and DequantizeLinear."""
    states = ops.parameter([1, 3], np.float32)
    step = np.float32(1 / 127)
    ends = (-1, 1, -127, 127)
    integers = ops.convert(ops.fake_quantize(states, *map(np.float32, ends), 255), "i8")
    back = ops.multiply(ops.subtract(ops.convert(integers, "f32"), np.float32(0)), step)
    weights = ops.multiply(ops.convert(ops.constant(WEIGHTS), "f32"), step)
    return product_of(states, back, weights)


def with_rounded_weights() -> ov.Model:
    """Return a graph that rounds its weights too, to `WEIGHTS`."""
    states = ops.parameter([1, 3], np.float32)
    ends = [np.float32(end) for end in (-1, 1, -1, 1)]
    rounded = ops.fake_quantize(states, *ends, 255)
    between = WEIGHTS / np.float32(127) + np.float32(0.001)
    weights = ops.fake_quantize(ops.constant(between), *ends, 255)
    return product_of(states, rounded, weights)


def product_of(states: ov.Node, rounded: ov.Node, weights: ov.Node) -> ov.Model:
    product = ops.matmul(rounded, weights, transpose_a=False, transpose_b=False)
    return ov.Model([product], [states])


@pytest.mark.parametrize("make", [in_openvinos_format, in_onnx_format, with_rounded_weights])
def test_states_that_stay_in_float_are_multiplied_without_rounding(
    make: Callable[[], ov.Model],
) -> None:
    graph = make()
    assert computed(graph) != pytest.approx(IN_FLOAT, abs=1e-5)
    keep_states_in_float(graph)
    assert computed(graph) == pytest.approx(IN_FLOAT, abs=1e-5)


def computed(graph: ov.Model) -> npt.NDArray[np.float32]:
    # By default, OpenVINO computes in bfloat16 where the CPU has instructions for it.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    [result] = ov.Core().compile_model(graph, "CPU", exact)(STATES).values()
    return np.asarray(result)
