from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import ArrayTensor, Block, DType, Model, Node, OptionalType, SequenceType, SymDim, TensorType, Value
from onnxport_ir.errors import Place
from onnxport_ir.verbose_text import format_model, scope_text, type_text

CLASSES = {"": "net.AlexNet", "features": "torch.nn.Sequential", "features.0": "Conv2d", "layers.1": "Block"}


def alexnet() -> Model:
    def floats(*shape):
        return TensorType(DType.FLOAT32, shape)

    x = Value(floats(10, 3, 224, 224), name="actual_input_1")
    w = Value.weight(ArrayTensor.of(np.zeros((64, 3, 11, 11), np.float32)), "learned_0")
    b = Value.weight(ArrayTensor.of(np.zeros(64, np.float32)), "learned_1")
    attributes = {"strides": (4, 4), "group": 1, "dilations": (1, 1), "kernel_shape": (11, 11), "pads": (2, 2, 2, 2)}
    place = Place("features.0", "/home/someone/alexnet.py", 20)
    conv = Node("Conv", [x, w, b], attributes, result_types=[floats(10, 64, 55, 55)], place=place)
    relu = Node("LeakyRelu", [conv.result], {"alpha": 1.0}, result_types=[floats(10, 64, 55, 55)])
    shape = Node("Shape", [relu.result], result_types=[TensorType(DType.INT64, None)])
    flat = Node("Reshape", [relu.result, Value.of(np.array([10, -1], np.int64))], result_types=[floats(10, 193600)])
    flat.result.name = "output1"
    return Model(Block([x], [conv, relu, shape, flat], [flat.result]), {"": 17}, ir_version=8)


GOLDEN = """\
graph(%actual_input_1 : Float(10, 3, 224, 224)
      %learned_0 : Float(64, 3, 11, 11)
      %learned_1 : Float(64)) {
  %3 : Float(10, 64, 55, 55) = onnx::Conv[dilations=[1, 1], group=1, kernel_shape=[11, 11], pads=[2, 2, 2, 2], \
strides=[4, 4]](%actual_input_1, %learned_0, %learned_1), scope: AlexNet/Sequential[features]/Conv2d[0]  # alexnet.py:20
  %4 : Float(10, 64, 55, 55) = onnx::LeakyRelu[alpha=1](%3), scope: AlexNet
  %5 : Dynamic = onnx::Shape(%4), scope: AlexNet
  %6 : Long(2) = onnx::Constant[value={10, -1}]()
  %output1 : Float(10, 193600) = onnx::Reshape(%4, %6), scope: AlexNet
  return (%output1);
}
"""


def test_a_graph_in_the_form_of_the_specification():
    assert format_model(alexnet(), CLASSES) == GOLDEN


def test_names_of_a_finished_model_change_nothing(tools):
    assert format_model(tools.finished(alexnet()), CLASSES) == GOLDEN


def test_blocks(tools):
    text = format_model(tools.branches())
    assert text == (
        """\
graph(%x : Float(n)
      %flag : Bool()) {
  %2 : Long() = onnx::Constant[value={20}]()
  %3 : Bool() = onnx::Constant[value={True}]()
  %4 : Float(n) = onnx::Loop(%2, %3, %x)
    body(%5 : Long(), %6 : Bool(), %7 : Float(n)):
      %8 : Float() = onnx::Constant[value={2}]()
      %9 : Float(n) = onnx::Mul(%7, %8)
      %10 : Float() = onnx::ReduceSum[keepdims=0](%9)
      %11 : Float() = onnx::Constant[value={100}]()
      %12 : Bool() = onnx::Less(%10, %11)
      -> (%12, %9)
  %y : Float(n) = onnx::If(%flag)
    then_branch():
      %13 : Float(n) = onnx::Neg(%4)
      -> (%13)
    else_branch():
      -> (%4)
  return (%y);
}
"""
    )


def test_functions(tools):
    text = format_model(tools.functions())
    assert "%1 : Float(batch) = local::scaled[slope=0.5](%x)\n" in text
    assert "\nfunction local::scaled[slope](%x) {\n" in text
    assert "onnx::LeakyRelu[alpha=@slope](%2)\n  return (%3);\n}\n" in text


def test_a_graph_without_inputs_and_values_without_operand():
    node = Node("Resize", [None, Value.of(np.zeros(40, np.float32))], {"mode": "linear", "b": b"x"})
    text = format_model(Model(Block([], [node], [node.result]), {"": 17}, ir_version=8))
    assert text.startswith("graph() {\n  %0 : Float(40) = onnx::Constant[value=<Float(40)>]()\n")
    assert '  %1 : Dynamic = onnx::Resize[b="x", mode="linear"](%, %0)\n' in text


@pytest.mark.parametrize(
    ("value_type", "text"),
    [
        (TensorType(DType.INT64, ()), "Long()"),
        (TensorType(DType.BFLOAT16, (SymDim.named("b"), SymDim.named("?1"), 2)), "BFloat16(b, *, 2)"),
        (TensorType(None, (1,)), "Dynamic"),
        (SequenceType(TensorType(DType.BOOL, (2,))), "Bool(2)[]"),
        (OptionalType(TensorType(DType.BOOL, (2,))), "Bool(2)?"),
    ],
)
def test_types(value_type, text):
    assert type_text(value_type) == text


@pytest.mark.parametrize(
    ("module", "classes", "text"),
    [
        ("", CLASSES, "AlexNet"),
        ("features.0", CLASSES, "AlexNet/Sequential[features]/Conv2d[0]"),
        ("layers.1", CLASSES, "AlexNet/Block[layers.1]"),
        ("layers.1.act", CLASSES, "AlexNet/Block[layers.1]/act"),
        ("layers.1", {}, "layers.1"),
        ("", {}, ""),
    ],
)
def test_scopes(module, classes, text):
    assert scope_text(module, classes) == text


def test_weights_are_not_read():
    class Unreadable:
        dtype, shape, nbytes = DType.FLOAT32, (1000, 1000), 4_000_000

        def write_to(self, out):
            raise AssertionError

        def numpy(self):
            raise AssertionError

    node = Node("Relu", [Value(TensorType(DType.FLOAT32, (1000, 1000)), const=Unreadable())])
    assert "<Float(1000, 1000)>" in format_model(Model(Block([], [node], [node.result]), {"": 17}, ir_version=8))
