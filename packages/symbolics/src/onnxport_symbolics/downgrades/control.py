"""Control flow and constants."""

from __future__ import annotations

import numpy as np
from onnxport_ir import Block, Dim, DType, Node, OptionalType, SequenceType, TensorType, Value

from onnxport_symbolics.calls import Call, downgrade
from onnxport_symbolics.op import Op


def _carried(call: Call) -> list[Value]:
    """All values that go into or come out of the bodies of a call."""
    values = [value for value in call.operands if value is not None]
    for attribute in call.attributes.values():
        if isinstance(attribute, Block):
            values += attribute.outputs
    return values


@downgrade("If", "Loop", at=16)
def no_optionals(op: Op, call: Call) -> Call:
    """Only tensors and sequences were carried."""
    if any(isinstance(value.value_type, OptionalType) for value in _carried(call)):
        raise op.needs_opset(f"{call.op_type} with an optional", 16)
    return call


@downgrade("If", at=13)
def branches_give_tensors(op: Op, call: Call) -> Call:
    """Only tensors were carried; inference took an unknown shape for rank 0 where the other branch has that.

    Then the rank is hidden from the runtime.
    """
    _no_sequences(op, call)
    branches = call.attributes["then_branch"], call.attributes["else_branch"]
    for index, outputs in enumerate(zip(*(branch.outputs for branch in branches), strict=True)):
        for branch, mine, other in zip(branches, outputs, reversed(outputs), strict=True):
            if mine.rank == 0 and other.rank is None:
                branch.outputs[index] = _of_hidden_rank(op, branch, mine, call.operands[0])
    return call


def _of_hidden_rank(op: Op, branch: Block, value: Value, condition: Value | None) -> Value:
    """The same value of rank 0, of a rank that no runtime can compute before the model runs."""
    truth, vector = TensorType(DType.BOOL, (1,)), TensorType(DType.INT64, (op.unknown_dim(),))
    flag = Node("Reshape", [condition, op.const([1])], result_types=[truth])
    opposite = Node("Not", [flag.result], result_types=[truth])
    never = Node("And", [flag.result, opposite.result], result_types=[truth])
    shape = Node("Compress", [op.const([1]), never.result], {"axis": 0}, result_types=[vector])
    same = Node("Reshape", [value, shape.result], result_types=[TensorType(value.dtype)])
    branch.nodes += [flag, opposite, never, shape, same]
    return same.result


@downgrade("If", at=11)
def branches_of_one_shape(op: Op, call: Call) -> Call:
    """Both branches gave results of one shape; a size that only one of them knows is hidden from the runtime."""
    condition, first, second = call.operands[0], call.attributes["then_branch"], call.attributes["else_branch"]
    if condition is None:
        raise op.refuse("If without a condition")
    for index, (left, right) in enumerate(zip(first.outputs, second.outputs, strict=True)):
        if left.shape is None or right.shape is None:
            continue
        if len(left.shape) != len(right.shape) or any(map(_differ, left.shape, right.shape)):
            raise op.needs_opset("If whose branches give different shapes", 11)
        for branch, mine, other in ((first, left, right), (second, right, left)):
            if any(isinstance(a, int) and not isinstance(b, int) for a, b in zip(mine.shape, other.shape, strict=True)):
                branch.outputs[index] = _of_hidden_shape(op, branch, mine, condition)
    return call


def _no_sequences(op: Op, call: Call) -> None:
    if any(isinstance(value.value_type, SequenceType) for value in _carried(call)):
        raise op.needs_opset(f"{call.op_type} with a sequence", 13)


def _differ(left: Dim, right: Dim) -> bool:
    return isinstance(left, int) and isinstance(right, int) and left != right


def _of_hidden_shape(op: Op, branch: Block, value: Value, condition: Value) -> Value:
    """The same value, of a shape that no runtime can compute before the model runs."""
    rank = op.rank(value)
    single, vector = TensorType(DType.INT64, condition.shape), TensorType(DType.INT64, (rank,))
    number = Node("Cast", [condition], {"to": DType.INT64.onnx}, result_types=[single])
    zero = Node("Mul", [number.result, op.const(0)], result_types=[single])
    shape = Node("Shape", [value], result_types=[vector])
    total = Node("Add", [shape.result, zero.result], result_types=[vector])
    hidden = TensorType(value.dtype, tuple(op.unknown_dim() for _ in range(rank)))
    same = Node("Reshape", [value, total.result], result_types=[hidden])
    branch.nodes += [number, zero, shape, total, same]
    return same.result


@downgrade("Loop", at=13)
def loop_carries_something(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """Only tensors were carried, and at least one: a loop that carries nothing gets its condition."""
    _no_sequences(op, call)
    if len(call.operands) > 2:
        return call
    body = call.attributes["body"]
    truth = op.const(True, DType.BOOL)
    formal = Value(truth.value_type)
    passed = Node("Identity", [formal], result_types=[truth.value_type])
    body = Block(
        [*body.inputs, formal], [*body.nodes, passed], [body.outputs[0], passed.result, *body.outputs[1:]], body.name
    )
    operands = [*call.operands, None, None][:2]
    return op.multi("Loop", call.num_results + 1, *operands, truth, body=body)[1:]


@downgrade("Constant", at=12)
def constant_of_numbers(op: Op, call: Call) -> Call | Value:
    """There were only tensors; numbers are a constant of ours as well."""
    for name, dtype in (("value_float", DType.FLOAT32), ("value_int", DType.INT64)):
        for key in (name, f"{name}s"):
            if key in call.attributes:
                return op.const(np.array(call.attributes[key]), dtype)
    if "value_string" in call.attributes or "value_strings" in call.attributes:
        raise op.needs_opset("Constant with texts", 12)
    return call


@downgrade("Scan", at=11)
def scan_axes_count_from_front(op: Op, call: Call) -> Call:
    """Negative axes were not allowed."""
    axes = call.attributes.get("scan_input_axes", ())
    if any(axis < 0 for axis in axes):
        scanned = call.operands[len(call.operands) - len(axes) :]
        call.attributes["scan_input_axes"] = tuple(
            axis if axis >= 0 or operand is None else op.axis(operand, axis)
            for axis, operand in zip(axes, scanned, strict=True)
        )
    if any(axis < 0 for axis in call.attributes.get("scan_output_axes", ())):
        raise op.needs_opset("Scan with negative scan_output_axes", 11)
    return call


@downgrade("Scan", at=9)
def scan_of_batches(op: Op, call: Call) -> tuple[Value, ...]:
    """Every operand and result had a batch axis before all others, and nothing was scanned or stacked elsewhere."""
    count = int(call.attributes["num_scan_inputs"])
    states = len(call.operands) - count
    axes = call.attributes.get("scan_input_axes", (0,) * count)
    reverse = any(call.attributes.get("scan_output_directions", ()))
    if reverse or any(call.attributes.get("scan_output_axes", ())):
        raise op.needs_opset("Scan with scan_output_axes or scan_output_directions", 9)
    operands: list[Value | None] = [None]
    for index, operand in enumerate(value for value in call.operands if value is not None):
        axis = axes[index - states] if index >= states else 0
        if axis:
            rank = op.rank(operand)
            rest = [other for other in range(rank) if other != axis % rank]
            operands.append(op.Unsqueeze(op.Transpose(operand, perm=[axis % rank, *rest]), [0]))
        else:
            operands.append(op.Unsqueeze(operand, [0]))
    attributes = {"body": call.attributes["body"], "num_scan_inputs": count}
    if "scan_input_directions" in call.attributes:
        attributes["directions"] = call.attributes["scan_input_directions"]
    results = op.emit(Call("Scan", operands, attributes, call.num_results))
    return tuple(op.Squeeze(result, [0]) for result in results)
