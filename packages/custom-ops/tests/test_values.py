"""What a symbolic function can ask a value, a type and a node."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnxport_ir import DType, SymDim, TensorLiteral, TensorType
from onnxport_ir.errors import InvalidArgument, UnsupportedCase
from onnxport_ir.tensors import ArrayTensor

N = SymDim.named("n", 2)


def f32(*shape):
    return TensorType(DType.FLOAT32, shape)


@pytest.fixture
def ask(lowered):
    """Runs a function inside of a symbolic function, with the value of an input and those of arguments."""

    def call(question, *arguments, inputs=None):
        answers = []

        def symbolic(g, *values):
            answers.append(question(*values))
            return g.op("Identity", values[0])

        lowered(symbolic, inputs=inputs or [f32(N, 3)], arguments=arguments)
        return answers[0]

    return call


def test_types_of_tensors(ask):
    kind = ask(lambda x: x.type())
    assert (kind.kind(), kind.scalarType(), kind.dtype(), kind.dim()) == ("TensorType", "Float", torch.float32, 2)
    assert (kind.sizes(), kind.varyingSizes(), kind.symbolic_sizes()) == (None, [None, 3], ["n", 3])
    assert (kind.strides(), kind.device(), kind.requires_grad()) == (None, torch.device("cpu"), False)
    assert kind.with_sizes([2, 3]).sizes() == [2, 3]
    assert kind.with_sizes([2, 3]).strides() == [3, 1]
    assert kind.with_dtype(torch.int64).scalarType() == "Long"
    assert kind.with_dim(4).varyingSizes() == [None] * 4
    assert kind.dimensionedOnly().dim() == 2
    assert isinstance(kind, torch._C.TensorType)
    assert kind.isSubtypeOf(torch._C.TensorType.get())
    assert not kind.isSubtypeOf(torch._C.IntType.get())
    assert kind.isSubtypeOf(torch._C.OptionalType(torch._C.TensorType.get()))
    assert str(kind) == kind.annotation_str == "Float(*, 3)"
    with pytest.raises(InvalidArgument, match="holds no elements"):
        kind.getElementType()


def test_types_of_unknown_tensors(ask):
    kind = ask(lambda x: x.type(), inputs=[TensorType(DType.FLOAT32, None)])
    assert (kind.sizes(), kind.varyingSizes(), kind.dim()) == (None, None, None)


def test_sequences(lowered):
    def symbolic(g, x):
        sequence = g.op("SequenceConstruct", x, g.op("Neg", x))
        kind = sequence.type()
        assert isinstance(kind, torch._C.ListType)
        assert kind.kind() == "ListType"
        assert kind.getElementType().scalarType() == "Float"
        assert kind.scalarType() is None
        assert kind.isSubtypeOf(torch._C.ListType.ofTensors())
        return g.op("SequenceAt", sequence, torch.tensor(1))

    assert lowered(symbolic).ops[-1] == "SequenceAt"


@pytest.mark.parametrize(
    ("argument", "kind", "scalar", "value"),
    [
        (3, "onnx::Constant", "Long", 3),
        (0.1, "onnx::Constant", "Float", 0.1),
        (True, "onnx::Constant", "Bool", True),
        (DType.FLOAT32, "onnx::Constant", "Long", 6),
        ("text", "onnx::Constant", None, "text"),
        (None, "prim::Constant", None, None),
        ((1, 2), "prim::ListConstruct", None, [1, 2]),
        ((1, "a"), "prim::TupleConstruct", None, [1, "a"]),
        ((), "prim::ListConstruct", None, []),
    ],
)
def test_constants(ask, argument, kind, scalar, value):
    found = ask(
        lambda x, a: (
            a.node().kind(),
            a.type().scalarType(),
            a.toIValue(),
            a.node().mustBeNone(),
            len(a.node().inputs()),
        ),
        argument,
    )
    assert found[:3] == (kind, scalar, value)
    assert found[3] is (argument is None)
    assert found[4] == (len(argument) if isinstance(argument, tuple) else 0)


def test_attributes_of_constants(ask):
    def question(x, number, text, items):
        node = number.node()
        assert node.hasAttribute("value")
        assert node.attributeNames() == ["value"]
        assert (node.i("value"), node.f("value"), node["value"]) == (3, 3.0, 3)
        assert node.t("value").item() == 3
        assert text.node().s("value") == text.node()["value"] == "text"
        assert [item.node().i("value") for item in items.node().inputs()] == [1, 2]
        assert not x.node().hasAttribute("value")
        with pytest.raises(InvalidArgument, match="no attribute value"):
            x.node().i("value")
        return True

    assert ask(question, 3, "text", (1, 2))


def test_tensors_of_the_program(ask):
    literal = TensorLiteral(ArrayTensor.of(np.float32([1.5, 2.5])))
    wrapped = TensorLiteral(ArrayTensor.of(np.float64(0.5)), wrapped_number=True)

    def question(x, tensor, number):
        assert tensor.node().kind() == number.node().kind() == "onnx::Constant"
        assert torch.equal(tensor.node().t("value"), torch.tensor([1.5, 2.5]))
        assert tensor.node().kindOf("value") == "t"
        assert tensor.node().fs("value") == [1.5, 2.5]
        assert torch.equal(tensor.toIValue(), torch.tensor([1.5, 2.5]))
        assert tensor.isCompleteTensor()
        assert number.toIValue() == 0.5
        return True

    assert ask(question, literal, wrapped)


def test_values_of_the_graph(ask):
    def question(x):
        assert isinstance(x, torch._C.Value)
        assert x.debugName() == "x0"
        assert not x.isCompleteTensor()
        assert x.node().kind() == "prim::Param"
        assert x.toIValue() is None
        assert isinstance(x.node(), torch._C.Node)
        assert not x.requires_grad()
        assert not x.requiresGrad()
        assert (x.node().inputs(), x.node().outputs()) == ([], [x])
        assert "x0" in repr(x)
        return True

    assert ask(question)


def test_nodes_that_were_made(lowered):
    def symbolic(g, x):
        y = g.op("Transpose", x, perm_i=[1, 0])
        node = y.node()
        assert (node.kind(), node.kindOf("perm"), node["perm"]) == ("onnx::Transpose", "is", [1, 0])
        assert node.inputs() == [x]
        assert node.input() is node.inputsAt(0) is x
        assert node.output() is y
        assert (node.inputsSize(), node.outputsSize()) == (1, 1)
        assert g.op("Transpose", x, perm_i=[1, 0]) is y
        assert y.type().varyingSizes() == [3, None]
        assert y.setDebugName("wish").debugName() == "wish"
        assert {x: 1, y: 2}[y] == 2
        foo = g.op("d::Foo", y, alpha_f=0.5, text_s="a", several_f=[1, 2])
        assert foo.node().kind() == "d::Foo"
        assert (foo.node().f("alpha"), foo.node().s("text"), foo.node().fs("several")) == (0.5, "a", [1, 2])
        assert foo.type().scalarType() is None
        return foo

    model = lowered(symbolic, results=[f32(3, N)])
    assert model.proto.graph.node[0].output == ["wish"]


def test_stated_types(lowered):
    def symbolic(g, x):
        foo = g.op("d::Foo", x)
        assert foo.setType(x.type()) is foo
        assert foo.type() == x.type()
        bar = g.op("d::Bar", foo).setType(x.type().with_dtype(torch.int64).with_sizes([None, 5]))
        assert bar.type().varyingSizes() == [None, 5]
        more = g.op("d::More", foo).setTypeAs(foo)
        assert more.type() == foo.type()
        of_torch = g.op("d::Torch", foo).setType(torch._C.TensorType.getInferred())
        assert of_torch.type().dim() is None
        return g.op("Add", more, foo)

    assert lowered(symbolic, results=[f32(N, 3)]).ops == ["d::Foo", "d::Bar", "d::More", "d::Torch", "Add"]


def test_stated_types_must_agree(lowered):
    for wrong in (lambda t: t.with_dtype(torch.int64), lambda t: t.with_dim(3), lambda t: t.with_sizes([None, 4])):
        with pytest.raises(UnsupportedCase, match="states the type"):
            lowered(lambda g, x, wrong=wrong: g.op("Neg", x).setType(wrong(x.type())))
    with pytest.raises(InvalidArgument, match="no type"):
        lowered(lambda g, x: g.op("d::Foo", x).setType("Float"))
