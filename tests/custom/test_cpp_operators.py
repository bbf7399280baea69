"""A real operator in C++, as the documentation of custom operators shows it."""

from __future__ import annotations

import shutil

import onnx
import onnxport
import onnxruntime
import pytest
import torch
from onnxport import symbolic_helper
from torch.utils import cpp_extension

from tests.custom.harness import ops, registered

SOURCE = """
#include <ATen/ATen.h>
#include <torch/library.h>

at::Tensor foo_forward(const at::Tensor& input1, const at::Tensor& input2, double attr1, int64_t attr2) {
  return input1 * attr1 + input2.relu() * attr2;
}

TORCH_LIBRARY(custom_ops, m) {
  m.def("foo_forward(Tensor input1, Tensor input2, float attr1, int attr2) -> Tensor", foo_forward);
}
"""


@pytest.fixture(scope="module", autouse=True)
def operator(tmp_path_factory):
    compiler = cpp_extension.get_cxx_compiler()
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no C++ compiler: {compiler}")
    source = tmp_path_factory.mktemp("custom_ops") / "foo.cpp"
    source.write_text(SOURCE)
    cpp_extension.load(
        "onnxport_test_custom_ops", [str(source)], is_python_module=False, build_directory=str(source.parent)
    )


@pytest.fixture(scope="module")
def session_options():
    """ONNX Runtime with an operator ``custom_domain::Foo``, through onnxruntime-extensions."""
    import onnxruntime_extensions as extensions  # noqa: PLC0415 - it is only needed where there is a compiler

    kinds = extensions.PyCustomOpDef

    @extensions.onnx_op(
        op_type="custom_domain::Foo",
        inputs=[kinds.dt_float, kinds.dt_float],
        outputs=[kinds.dt_float],
        attrs={"attr1": kinds.dt_float, "attr2": kinds.dt_int64},
    )
    def foo(input1, input2, attr1, attr2):
        return input1 * attr1 + input2.clip(min=0) * attr2

    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(extensions.get_library_path())
    return options


# Define custom symbolic function
@symbolic_helper.parse_args("v", "v", "f", "i")
def symbolic_foo_forward(g, input1, input2, attr1, attr2):
    return g.op("custom_domain::Foo", input1, input2, attr1_f=attr1, attr2_i=attr2)


class FooModel(torch.nn.Module):
    def __init__(self, attr1, attr2):
        super().__init__()
        self.attr1 = attr1
        self.attr2 = attr2

    def forward(self, input1, input2):
        # Calling custom op
        return torch.ops.custom_ops.foo_forward(input1, input2, self.attr1, self.attr2)


@pytest.mark.parametrize(("custom_opsets", "version"), [({"custom_domain": 2}, 2), (None, 1), ({"other": 3}, 1)])
@pytest.mark.parametrize("scripted", [False, True])
def test_an_operator_in_cpp(tmp_path, session_options, custom_opsets, version, scripted):
    model = FooModel(0.5, 3)
    example = torch.randn(2, 3)
    path = tmp_path / "model.onnx"
    with registered("custom_ops::foo_forward", symbolic_foo_forward):
        onnxport.export(
            torch.jit.script(model) if scripted else model,
            (example, example),
            path,
            input_names=["a", "b"],
            dynamic_axes={"a": {0: "n"}, "b": {0: "n"}},
            # only needed if you want to specify an opset version > 1.
            custom_opsets=custom_opsets,
        )
    proto = onnx.load(path)
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 18, "custom_domain": version}
    assert ops(proto) == ["custom_domain::Foo"]
    assert proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    session = onnxruntime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
    for inputs in ((example, example), (torch.randn(4, 3), torch.randn(4, 3))):
        (found,) = session.run(None, {"a": inputs[0].numpy(), "b": inputs[1].numpy()})
        torch.testing.assert_close(torch.as_tensor(found), model(*inputs))


def test_without_a_symbolic_function_it_is_refused_with_its_place():
    with pytest.raises(
        onnxport.OnnxExporterError, match=r"(?s)custom_ops::foo_forward.*test_cpp_operators.py:\d+"
    ) as error:
        onnxport.export(FooModel(0.5, 3), (torch.randn(2), torch.randn(2)))
    assert "Register a symbolic function" in str(error.value)


def test_it_is_kept_in_its_own_domain():
    x = torch.randn(2, 3)
    proto = onnxport.export(FooModel(0.5, 3), (x, x), custom="keep", custom_opsets={"custom_ops": 7}).model_proto
    onnx.checker.check_model(proto)
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 18, "custom_ops": 7}
    (node,) = proto.graph.node
    assert (node.domain, node.op_type) == ("custom_ops", "foo_forward")
    assert {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} == {"attr1": 0.5, "attr2": 3}
    assert proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
