"""Numbers of the script language in graphs written by hand: known ones are computed, impossible ones refused."""

from __future__ import annotations

from typing import Any

import pytest
from onnxport_ir import CapturedGraph, DType, Eqn, Input, Model, Output, ScalarType, TensorType, Var
from onnxport_ir.errors import UnsupportedCase
from onnxport_symbolics import Target, default_registry, lower

INT, FLOAT, BOOL = ScalarType("int"), ScalarType("float"), ScalarType("bool")


def lowered(op: str, args: dict[str, Any], result: ScalarType) -> Model:
    """The model of one call; its variables are inputs."""
    out = Var(result)
    inputs = [Input(arg, name) for name, arg in args.items() if isinstance(arg, Var)]
    graph = CapturedGraph(tuple(inputs), (Eqn.of(op, args.items(), [out]),), (Output(out, "y"),))
    return lower(graph, default_registry(plugins=False), Target(18))


@pytest.mark.parametrize(
    ("op", "args", "kind", "expected"),
    [
        ("aten::add.int", (2, 3), INT, 5),
        ("aten::div.int", (7, 2), FLOAT, 3.5),
        ("aten::floordiv.int", (-7, 2), INT, -4),
        ("aten::remainder.int", (-7, 3), INT, 2),
        ("aten::remainder.int", (7, -3), INT, -2),
        ("aten::__round_to_zero_floordiv.int", (-7, 2), INT, -3),
        ("aten::pow.int", (2, 3), FLOAT, 8.0),
        ("aten::pow.int_to_int", (2, 3), INT, 8),
        ("aten::ge.float_int", (2.5, 2), BOOL, True),
        ("aten::round.float", (2.5,), FLOAT, 2.0),
        ("aten::floor.float", (-2.5,), INT, -3),
        ("prim::max.int", (2, 3), INT, 3),
        ("aten::eq.str", ("zeros", "zeros"), BOOL, True),
        ("aten::ne.int_list", ((1, 2), (1, 2)), BOOL, False),
    ],
)
def test_known_numbers_are_computed_as_python_does(op: str, args: Any, kind: ScalarType, expected: object) -> None:
    model = lowered(op, dict(zip("ab", args, strict=False)), kind)
    assert [node.op_type for node in model.graph.nodes] == ["Identity"]
    constant = model.graph.nodes[0].operands[0]
    assert constant is not None
    assert constant.dtype is {INT: DType.INT64, FLOAT: DType.FLOAT64, BOOL: DType.BOOL}[kind]
    assert constant.array().item() == expected


@pytest.mark.parametrize(
    ("op", "operators"),
    [
        ("aten::add.int", ["Add"]),
        ("aten::floordiv.int", ["Mod", "Sub", "Div"]),
        ("aten::remainder.int", ["Mod"]),
        ("aten::div.int", ["Cast", "Div"]),
        ("aten::lt.int", ["Less"]),
        ("prim::min.int", ["Min"]),
    ],
)
def test_numbers_that_depend_on_the_input_are_values_of_rank_0(op: str, operators: list[str]) -> None:
    model = lowered(op, {"a": Var(INT), "b": 3}, INT)
    assert [node.op_type for node in model.graph.nodes] == operators
    assert model.graph.outputs[0].shape == ()


def test_a_float_makes_the_other_number_a_float() -> None:
    model = lowered("aten::mul.int_float", {"a": Var(INT), "b": 0.5}, FLOAT)
    assert [node.op_type for node in model.graph.nodes] == ["Cast", "Mul"]
    assert model.graph.outputs[0].dtype is DType.FLOAT64


@pytest.mark.parametrize(
    ("op", "args", "message"),
    [
        ("aten::floordiv.int", (1, 0), "floordiv of 1, 0"),
        ("aten::sqrt.float", (-1.0,), "sqrt.*-1.0"),
        ("aten::pow.float", (-8.0, 1 / 3), "complex"),
    ],
)
def test_what_python_cannot_compute_is_refused(op: str, args: Any, message: str) -> None:
    with pytest.raises(UnsupportedCase, match=message):
        lowered(op, dict(zip("ab", args, strict=False)), FLOAT)


def test_an_unknown_number_is_promoted_as_a_number_is() -> None:
    """A script's float is float64, but it must not make a tensor of integers one."""
    x, number, out = Var(TensorType(DType.INT32, (3,))), Var(FLOAT), Var(TensorType())
    eqn = Eqn.of("aten::mul.Scalar", [("self", x), ("other", number)], [out])
    graph = CapturedGraph((Input(x, "x"), Input(number, "s")), (eqn,), (Output(out, "y"),))
    model = lower(graph, default_registry(plugins=False), Target(18))
    assert model.graph.outputs[0].dtype is DType.FLOAT32
