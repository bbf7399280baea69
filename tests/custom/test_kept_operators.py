"""``operator_export_type``: operators of torch that stay what they are, run by a runtime that has torch's operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxport
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from tests.custom.harness import Apply, ops, registered

#: An operator of torch that ONNX will hardly ever have: its own tests call it; it hands its argument back.
FOOBAR = torch.ops.aten._foobar
KINDS = onnxport.OperatorExportTypes


class ATen(OpRun):
    """The operator of ONNX Runtime's training builds: calls the operator of torch that it names."""

    op_domain = "org.pytorch.aten"

    def _run(self, *args: Any, operator: str = "", overload_name: str = "") -> tuple[np.ndarray, ...]:
        function = getattr(getattr(torch.ops.aten, operator), overload_name or "default")
        named = {}
        for formal, arg in zip(function._schema.arguments, args, strict=False):
            if arg is not None:
                named[formal.name] = self._converted(str(formal.type), arg)
        result = function(**named)
        return tuple(item.numpy() for item in (result if isinstance(result, tuple) else (result,)))

    @staticmethod
    def _converted(kind: str, arg: Any) -> Any:
        if "List[Tensor]" in kind:
            return [torch.as_tensor(item) for item in arg]
        if "Tensor" in kind:
            return torch.as_tensor(arg)
        return np.asarray(arg).tolist()


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        a = FOOBAR(x.abs() + 1, False)
        values, indices = torch.topk(self.linear(a), 2, dim=1)
        joined = torch.cat([a, values, y[:, : a.size(1)]], dim=1)
        first, rest = torch.nn.functional.gelu(joined, approximate="tanh").clamp(min=0.1).split([2, 6], 1)
        return torch.add(first, first, alpha=2.5), rest.double().sum((0,), keepdim=True), indices, rest.reshape(-1, 2)


@pytest.mark.parametrize(("kind", "only"), [(KINDS.ONNX_ATEN_FALLBACK, ["_foobar"]), (KINDS.ONNX_ATEN, None)])
def test_kept_operators_compute_what_torch_does(kind: Any, only: list[str] | None) -> None:
    model = Model()
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    args = torch.randn(2, 3), torch.randn(2, 5)
    proto = onnxport.export(model, args, operator_export_type=kind, dynamic_axes=axes).model_proto
    kept = [node for node in proto.graph.node if node.op_type == "ATen"]
    names = [next(a.s.decode() for a in node.attribute if a.name == "operator") for node in kept]
    assert names == only if only else {"linear", "topk", "cat", "gelu", "sum", "_foobar"} <= set(names)
    assert ("org.pytorch.aten", 1) in [(entry.domain, entry.version) for entry in proto.opset_import]
    runtime = ReferenceEvaluator(proto, new_ops=[ATen])
    for x, y in (args, (torch.randn(5, 3), torch.randn(5, 5))):
        found = runtime.run(None, {"x": x.numpy(), "y": y.numpy()})
        for result, expected in zip(found, model(x, y), strict=True):
            torch.testing.assert_close(torch.as_tensor(result), expected.detach(), rtol=1e-4, atol=1e-5)


def test_all_arguments_of_a_kept_operator_are_inputs() -> None:
    model = Apply(lambda x: FOOBAR(x, False, arg3=True).relu())
    proto = onnxport.export(model, torch.rand(3), operator_export_type=KINDS.ONNX_FALLTHROUGH).model_proto
    node = next(node for node in proto.graph.node if node.op_type == "_foobar")
    assert node.domain == "org.pytorch.aten"
    assert len(node.input) == 4
    assert not node.attribute

    @torch.library.custom_op("onnxport_kept::mixed", mutates_args=())
    def mixed(
        x: torch.Tensor,
        y: torch.Tensor | None,
        by: float,
        axes: list[int],
        flag: bool,
        label: str,
        xs: list[torch.Tensor],
    ) -> torch.Tensor:
        return x * by

    def call(x: torch.Tensor) -> torch.Tensor:
        return mixed(x, None, 0.5, [0, 1], True, "here", [x, x + 1])

    options = {"operator_export_type": KINDS.ONNX_FALLTHROUGH}
    proto = onnxport.export(Apply(call), torch.rand(3), **options).model_proto
    node = next(node for node in proto.graph.node if node.op_type == "mixed")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    constants |= {n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in proto.graph.node if n.attribute}
    assert node.input[1] == ""
    given = [np.asarray(constants[name]).tolist() for name in node.input[2:6]]
    assert given == [0.5, [0, 1], True, "here"]
    assert "SequenceConstruct" in ops(proto)
    assert not node.attribute


def test_a_symbolic_function_is_used_in_any_case() -> None:
    with registered("aten::relu", lambda g, x: g.op("custom::Relu", x)):
        proto = onnxport.export(Apply(torch.relu), torch.rand(3), operator_export_type=KINDS.ONNX_ATEN).model_proto
    assert ops(proto) == ["custom::Relu"]
