"""Operators without a handler of their own, expressed as torch decomposes them."""

from __future__ import annotations

import onnxport
import pytest
import torch
from onnxport_frontend import capture
from onnxport_frontend.decompose import decompose
from onnxport_ir import OpName
from onnxport_ir.errors import UnsupportedOperator
from onnxport_symbolics import default_registry

from tests.ops.harness import Case, check

ops = torch.ops.aten


def _x(*sizes: int) -> torch.Tensor:
    return torch.rand(*sizes, generator=torch.Generator().manual_seed(sum(sizes))) * 2 - 1


_BOTH = {0: [0, 1], 1: [0, 1]}
PAIR, OTHER = (_x(2, 3), _x(2, 3)), (_x(5, 4), _x(5, 4))

CASES = [
    Case("softplus_backward", lambda g, x: ops.softplus_backward(g, x, 1.0, 20.0), PAIR, OTHER, _BOTH),
    Case("elu_backward", lambda g, x: ops.elu_backward(g, 1.5, 1.0, 1.0, False, x), PAIR, OTHER, _BOTH),
    Case("hardsigmoid_backward", ops.hardsigmoid_backward, PAIR, OTHER, _BOTH),
    Case("hardtanh_backward", lambda g, x: ops.hardtanh_backward(g, x, -0.5, 0.5), PAIR, OTHER, _BOTH),
    Case("hardswish_backward", ops.hardswish_backward, PAIR, OTHER, _BOTH),
    Case("threshold_backward", lambda g, x: ops.threshold_backward(g, x, 0.1), PAIR, OTHER, _BOTH),
    Case("leaky_relu_backward", lambda g, x: ops.leaky_relu_backward(g, x, 0.2, False), PAIR, OTHER, _BOTH),
    Case("gelu_backward", lambda g, x: ops.gelu_backward(g, x, approximate="tanh"), PAIR, OTHER, _BOTH),
    Case("mish_backward", ops.mish_backward, PAIR, OTHER, _BOTH),
    Case("silu_backward", ops.silu_backward, PAIR, OTHER, _BOTH),
    Case("tanh_backward", ops.tanh_backward, PAIR, OTHER, _BOTH),
    Case("logit_backward", lambda g, x: ops.logit_backward(g, x.abs(), 0.1), PAIR, OTHER, _BOTH),
    Case("mse_loss_backward", lambda g, x: ops.mse_loss_backward(g.sum(), x, x * 2, 1), PAIR, OTHER, _BOTH),
    Case("_softmax_backward_data", lambda g, y: ops._softmax_backward_data(g, y, 1, torch.float32), PAIR, OTHER, _BOTH),
    Case(
        "_log_softmax_backward_data",
        lambda g, y: ops._log_softmax_backward_data(g, y, 0, torch.float32),
        PAIR,
        OTHER,
        _BOTH,
    ),
    Case("select_backward", lambda g: ops.select_backward(g, [2, 4, 3], 1, 2), (_x(2, 3),)),
    Case("_chunk_cat", lambda x, y: ops._chunk_cat([x, y], 0, 2), (_x(2, 3), _x(3, 3))),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_at_two_sizes(case: Case) -> None:
    name = OpName("aten", case.name)
    assert name not in default_registry(), "has a handler now; pick another operator"
    case.check((9, 13, 18, 23))


def test_program_names_what_was_decomposed() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return ops.silu_backward(x, x)

    assert onnxport.export(Model(), (_x(2, 3),)).decomposed == (OpName("aten", "silu_backward"),)


def test_a_number_that_only_the_sizes_decided_is_not_used() -> None:
    """How many rows a chunk has depends on the size, which a decomposition makes a number."""

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return ops._chunk_cat([x, x], 0, 2)

    captured = capture(Model(), (_x(3, 3, 2),), input_names=["x"], dynamic_axes={"x": [0, 1, 2]})
    registry = default_registry()
    assert decompose(captured.graph, lambda op: op in registry).operators == ()


def test_a_graph_of_handled_operators_stays() -> None:
    captured = capture(torch.nn.ReLU(), (_x(2),))
    assert decompose(captured.graph, lambda op: True).graph is captured.graph
    check(torch.nn.ReLU(), (_x(2),), opsets=(18,))


def test_an_element_type_that_onnx_lacks_is_refused() -> None:
    # Its decomposition names the type.
    with pytest.raises(UnsupportedOperator, match="aten::chalf is not supported"):
        check(lambda x: x.chalf(), (torch.ones(2),), opsets=(18,))
