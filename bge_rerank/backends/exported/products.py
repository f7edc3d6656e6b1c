"""How OpenVINO multiplies on this CPU: whether bfloat16 is faster than float32, and whether products in 8 bits are exact.

x86 CPUs without VNNI add two products in 16 bits, where larger sums become 32,767. That raised the error of `mini`'s
logits from 0.04 to 0.09 (root mean square), and was not faster than float32. See benchmarks/LOG.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from bge_rerank.backends.exported.silent import openvino_reports_nothing
from bge_rerank.backends.machine import bfloat16_is_faster

with openvino_reports_nothing():
    import openvino as ov
    from openvino import opset13 as ops

LARGEST = 127
TERMS = 64
HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's names of the precisions."""


@cache
def openvino_gains_by_bfloat16(threads: int) -> bool:
    """Return whether OpenVINO multiplies bfloat16 faster than float32 on this CPU. It is measured once a process."""

    def product(precision: str, rows: int, width: int) -> Callable[[], object]:
        states = np.ones((rows, width), np.float32)
        return compiled_product(precision, states, np.ones((width, width), np.float32), threads)

    return bfloat16_is_faster(product, threads)


def compiled_product(
    precision: str, states: Any, weights: Any, threads: int
) -> Callable[[], object]:
    """Return a call that multiplies states by weights of shape (outputs, inputs), in `"float32"`, `"bfloat16"` or `"int8"`."""
    if precision == "int8":
        graph = product_in_8_bits(len(states), weights.T)
    else:
        given = ops.parameter(states.shape, np.float32)
        product = ops.matmul(given, ops.constant(weights), transpose_a=False, transpose_b=True)
        graph = ov.Model([product], [given])
    hint = HINTS.get(precision, HINTS["float32"])
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    request = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
    return lambda: request.infer([states], share_inputs=True)


@cache
def sums_saturate() -> bool:
    """Return whether a sum of the largest products in 8 bits is wrong on this CPU. This takes 40 ms, once a process.

    The answer is measured, because not every system tells which instructions the CPU has.
    """
    graph = product_in_8_bits(1, np.full((TERMS, 1), LARGEST, np.int8))
    [total] = ov.Core().compile_model(graph, "CPU")(np.ones((1, TERMS), np.float32)).values()
    return not np.allclose(total, TERMS, rtol=0.01)


def product_in_8_bits(rows: int, weights: Any) -> ov.Model:
    """Return a graph that rounds states from -1 to 1 to 8 bits, and multiplies them by weights in steps of 1/127.

    Args:
        rows: The number of rows of the states.
        weights: int8 weights of shape (inputs, outputs).
    """
    states = ops.parameter([rows, len(weights)], np.float32)
    lowest, highest = np.float32(-1 - 1 / LARGEST), np.float32(1)
    rounded = ops.fake_quantize(states, lowest, highest, lowest, highest, 256)
    in_float = ops.multiply(ops.convert(ops.constant(weights), "f32"), np.float32(1 / LARGEST))
    product = ops.matmul(rounded, in_float, transpose_a=False, transpose_b=False)
    return ov.Model([product], [states])


def keep_states_in_float(graph: ov.Model) -> None:
    """Remove the rounding of states from an int8 graph. OpenVINO then multiplies its 8-bit weights in float32.

    If the rounding stayed, scores would depend on the batch: two sums that differ by one millionth may round to two
    steps, and later layers enlarge the difference.
    """
    for rounding in graph.get_ops():
        if rounding.get_type_name() != "FakeQuantize":
            continue
        states = rounding.input_value(0)
        if states.get_node().get_type_name() != "Constant":  # else it rounds weights
            for rounded in list(_in_float(rounding)):
                rounded.output(0).replace(states)


def _in_float(rounding: ov.Node) -> Iterator[ov.Node]:
    """Yield the nodes that return the rounded states as floats.

    In OpenVINO's own format that is the rounding itself. ONNX rounds to integers: a conversion, an optional difference and
    a product turn them back into floats.
    """
    if all(user.get_type_name() != "Convert" for user in _users(rounding)):
        yield rounding
        return
    waiting = [rounding]
    while waiting:
        for user in _users(waiting.pop()):
            if user.get_type_name() == "Multiply":
                yield user
            elif user.get_type_name() in ("Convert", "Subtract"):
                waiting.append(user)


def _users(node: ov.Node) -> list[ov.Node]:
    return [target.get_node() for target in node.output(0).get_target_inputs()]
