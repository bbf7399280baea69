from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnxport_ir import (
    ArrayTensor,
    CapturedBlock,
    CapturedGraph,
    Device,
    DType,
    Enumeral,
    Eqn,
    Input,
    OpName,
    Output,
    Param,
    ScalarType,
    SymDim,
    TensorLiteral,
    TensorType,
    Var,
)
from onnxport_ir.captured import arg_vars, walk
from onnxport_ir.captured_text import check_graph
from onnxport_ir.errors import InternalError, Place


def floats(*shape) -> Var:
    return Var(TensorType(DType.FLOAT32, shape))


def example() -> CapturedGraph:
    """A linear layer, then a branch on a flag."""
    n = SymDim.named("n")
    x, flag, w = floats(n, 4), Var(ScalarType("bool")), floats(3, 4)
    y, z, kept, doubled, out = (floats(n, 3) for _ in range(5))
    two = TensorLiteral(ArrayTensor.of(np.float32(2)), wrapped_number=True)
    table = TensorLiteral(ArrayTensor.of(np.zeros((2, 5), np.int64)))
    place = Place("fc", "model.py", 7)
    eqns = (
        Eqn.of("aten::linear", [("input", x), ("weight", w), ("bias", None)], [y], place=place),
        Eqn.of("aten::sum.dim_IntList", [("self", y), ("dim", (0, -1)), ("dtype", DType.INT64)], [z]),
        Eqn.of(
            "prim::If",
            [("cond", flag)],
            [out],
            [
                CapturedBlock((), (Eqn.of("aten::mul.Tensor", [("self", y), ("other", two)], [doubled]),), (doubled,)),
                CapturedBlock((kept,), (), (kept,)),
            ],
        ),
        Eqn.of("aten::to", [("self", out), ("device", Device("cpu")), ("m", Enumeral("layout", 1)), ("t", table)], []),
    )
    return CapturedGraph(
        inputs=(Input(x, "x"), Input(flag, "flag")),
        params=(Param(w, "fc.weight", ArrayTensor.of(np.zeros((3, 4), np.float32))),),
        eqns=eqns,
        outputs=(Output(out, "y"), Output((y, (z, 3)), "rest")),
        name="Net",
    )


GOLDEN = """\
Net {
  input x = a:f32[n,4]
  input flag = b:bool
  param fc.weight = c:f32[3,4]
  d:f32[n,3] = aten::linear(input=a, weight=c, bias=None)  # model.py:7, module fc
  e:f32[n,3] = aten::sum.dim_IntList(self=d, dim=[0, -1], dtype=i64)
  f:f32[n,3] = prim::If(cond=b)
    block0():
      g:f32[n,3] = aten::mul.Tensor(self=d, other=2.0:f32[])
      -> (g)
    block1(h:f32[n,3]):
      -> (h)
  aten::to(self=f, device=cpu, m=layout:1, t=<i64[2,5]>)
  output y = f
  output rest = [d, [e, 3]]
}"""


def test_the_printed_form():
    assert str(example()) == GOLDEN


def test_a_sound_graph_passes():
    check_graph(example())


def test_names_go_on_after_z():
    variables = [floats(1) for _ in range(30)]
    eqns = tuple(Eqn.of("aten::relu", [("self", before)], [after]) for before, after in itertools.pairwise(variables))
    text = str(CapturedGraph((Input(variables[0], "x"),), eqns, (Output(variables[-1], "y"),)))
    assert "aa:f32[1] = aten::relu(self=z)" in text
    assert "ad:f32[1] = aten::relu(self=ac)" in text


def malformed(eqns, inputs=(), outputs=(), params=()):
    with pytest.raises(InternalError) as caught:
        check_graph(CapturedGraph(tuple(inputs), tuple(eqns), tuple(outputs), tuple(params)))
    return str(caught.value)


def test_a_variable_used_before_it_is_defined_with_its_neighbourhood():
    x, y, z = floats(1), floats(2), floats(3)
    first = Eqn.of("aten::relu", [("self", x)], [y])
    fault = Eqn.of("aten::cat", [("tensors", (y, (z,)))], [floats(4)])
    text = malformed([first, fault, Eqn.of("aten::neg", [("self", y)], [z])], [Input(x, "x")])
    assert "aten::cat uses a variable of type f32[3] before it is defined" in text
    assert "aten::relu(self=" in text
    assert "aten::neg(self=" in text
    assert text.count("->") == 1
    assert "aten::cat" in next(line for line in text.splitlines() if line.startswith("->"))


def test_variables_defined_twice():
    x, y = floats(1), floats(2)
    relu = Eqn.of("aten::relu", [("self", x)], [y])
    assert "aten::relu defines a variable of type f32[2] a second time" in malformed([relu, relu], [Input(x, "x")])
    assert "an input defines a variable" in malformed([], [Input(x, "x"), Input(x, "z")])


def test_a_variable_of_a_block_is_not_visible_outside():
    x, inner = floats(1), floats(2)
    block = CapturedBlock((), (Eqn.of("aten::relu", [("self", x)], [inner]),), (inner,))
    branch = Eqn.of("prim::If", [("cond", x)], [], [block])
    text = malformed([branch], [Input(x, "x")], [Output(inner, "y")])
    assert "the graph's outputs uses a variable of type f32[2] before it is defined" in text


def test_faults_in_blocks_are_shown_where_they_are():
    x = floats(1)
    block = CapturedBlock((), (Eqn.of("aten::relu", [("self", floats(9))], [floats(2)]),), ())
    text = malformed([Eqn.of("prim::If", [("cond", x)], [], [block])], [Input(x, "x")])
    assert "aten::relu uses a variable of type f32[9]" in text
    assert "aten::relu" in next(line for line in text.splitlines() if line.startswith("->"))
    outputs = CapturedBlock((), (), (floats(8),))
    text = malformed([Eqn.of("prim::If", [("cond", x)], [], [outputs])], [Input(x, "x")])
    assert "the outputs of a block of prim::If uses a variable of type f32[8]" in text


def test_arguments_and_their_names():
    x = floats(1)
    eqn = Eqn(OpName.parse("aten::relu"), (x,), ("self", "other"), ())
    assert "aten::relu has 1 arguments but 2 names" in malformed([eqn], [Input(x, "x")])


def test_names_that_occur_twice():
    x, y = floats(1), floats(1)
    assert "input names occur twice: ['x']" in malformed([], [Input(x, "x"), Input(y, "x")])
    tensor = ArrayTensor.of([1.0])
    assert "parameter names occur twice: ['w']" in malformed([], params=[Param(x, "w", tensor), Param(y, "w", tensor)])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("aten::sum.dim_IntList", ("aten", "sum", "dim_IntList")),
        ("aten::relu", ("aten", "relu", "")),
        ("my_lib::op.with.dots", ("my_lib", "op", "with.dots")),
    ],
)
def test_operator_names(text, parts):
    name = OpName.parse(text)
    assert (name.namespace, name.name, name.overload) == parts
    assert str(name) == text


@pytest.mark.parametrize("text", ["relu", "aten::", ""])
def test_what_is_no_operator_name(text):
    with pytest.raises(ValueError, match="not an operator name"):
        OpName.parse(text)


def test_equations_are_walked_and_counted_inside_out():
    graph = example()
    assert [eqn.op.name for eqn in walk(graph.eqns)] == ["linear", "sum", "If", "mul", "to"]
    assert graph.op_counts()[OpName.parse("aten::mul.Tensor")] == 1


def test_walking_is_not_limited_by_depth():
    eqn = Eqn.of("aten::relu", [], [])
    for _ in range(5000):
        eqn = Eqn.of("prim::If", [], [], [CapturedBlock((), (eqn,), ())])
    assert sum(1 for _ in walk([eqn])) == 5001


def test_variables_of_nested_arguments():
    x, y = floats(1), floats(2)
    assert list(arg_vars((x, (1, (y, None)), "x", x))) == [x, y, x]
