"""Each example and limitation of the specification: tracing and scripting, pitfalls, limitations, questions."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
import onnxport
import pytest
import torch
from onnxport_ir.errors import FrozenValue, InvalidArgument, OnnxExporterError, UnsupportedOperators
from torch import nn
from torch.utils import _pytree as pytree

OPSETS = (11, 13, 18, onnxport.NEWEST_OPSET)


class Model(nn.Module):
    """A function as a model."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def same(model: nn.Module, args: tuple[Any, ...], *others: tuple[Any, ...], opset: int = 18, **options: Any) -> Any:
    """Export with ``args``; the program gives what the model gives, on other arguments as well."""
    program = onnxport.export(model, clone(args), opset_version=opset, **options)
    onnx.checker.check_model(program.model_proto)
    for call in (args, *others):
        expected, found = model(*clone(call)), program(*clone(call))
        for leaf, ours in zip(pytree.tree_leaves(expected), pytree.tree_leaves(found), strict=True):
            theirs = torch.as_tensor(leaf)
            torch.testing.assert_close(ours, theirs, check_dtype=theirs.dim() > 0, rtol=1e-4, atol=1e-5)
    return program


def clone(value: Any) -> Any:
    return pytree.tree_map(lambda x: x.clone() if isinstance(x, torch.Tensor) else x, value)


# Tracing vs scripting.


def loops_over_rows(x):
    total = torch.zeros(x.size(1))
    for i in range(x.size(0)):
        total = total + x[i] if bool(x[i].sum() > 3) else total - 1
    return total


def test_a_module_that_is_no_script_is_traced_once():
    calls = []

    def function(x):
        calls.append(1)
        return x * 2

    same(Model(function), (torch.ones(2, 3),))
    onnxport.export(Model(function), (torch.ones(2, 3),), check=False)
    assert len(calls) >= 2


def test_a_trace_unrolls_loops_and_branches():
    x = torch.arange(6.0).reshape(2, 3)
    with pytest.raises(FrozenValue, match="loops_over_rows"):
        onnxport.export(Model(loops_over_rows), (x,))
    program = same(Model(loops_over_rows), (x,), check=False, on_frozen="ignore")
    assert not {"If", "Loop"} & {node.op_type for node in program.model_proto.graph.node}


@pytest.mark.parametrize("opset", OPSETS)
def test_a_script_keeps_control_flow_and_holds_for_other_sizes(opset):
    x, y = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(4, 3) - 5
    model = torch.jit.script(loops_over_rows)
    program = same(model, (x,), (y,), opset=opset, dynamic_axes={"x": [0]})
    (loop,) = (node for node in program.model_proto.graph.node if node.op_type == "Loop")
    assert any(node.op_type == "If" for attribute in loop.attribute for node in attribute.g.node)


def test_a_script_is_not_traced():
    """The arguments serve to find out about the result: a branch that the example does not take is in the model."""

    @torch.jit.script
    def function(x):
        if bool(x.sum() > 0):
            return x + 1
        return x - 1

    same(function, (torch.ones(2),), (-torch.ones(2),))


# Avoiding pitfalls.


def test_numpy_in_a_trace_is_a_constant():
    """``np.concatenate`` instead of ``torch.cat``: the array is in the model as it was, which is said or refused."""

    def function(x):
        y = torch.from_numpy(np.concatenate((x.numpy(), x.numpy()), axis=1))
        return y * 1

    x = torch.ones(1, 2)
    with pytest.raises((OnnxExporterError, RuntimeError)):
        onnxport.export(Model(function), (x,), dynamic_axes={"args.0": [0]}, on_frozen="error")


def test_torch_operators_instead_of_numpy():
    same(Model(lambda x, y: torch.cat((x, y), dim=1)), (torch.rand(1, 2), torch.rand(1, 2)))


class ReshapesByItem(nn.Module):
    def forward(self, x, y):
        return x.reshape(y.item(), -1)


class ReshapesByTensor(nn.Module):
    def forward(self, x, y):
        return x.reshape(y, -1)


X4 = torch.arange(12.0).reshape(4, 3)


def test_item_is_fixed_by_a_trace_and_reported():
    with pytest.raises(OnnxExporterError, match=r"item|fix"):
        onnxport.export(ReshapesByItem(), (X4, torch.tensor(2)), on_frozen="error", check=False)


def test_item_is_kept_by_a_script():
    class Script(nn.Module):
        def forward(self, x, y):
            return x.reshape(int(y.item()), -1)

    same(torch.jit.script(Script()), (X4, torch.tensor(2)), (X4, torch.tensor(6)))


@pytest.mark.parametrize("opset", OPSETS)
def test_a_tensor_as_size_is_kept(opset):
    same(ReshapesByTensor(), (X4, torch.tensor(2)), (X4, torch.tensor(6)), opset=opset, check=False)


def test_detach_instead_of_data():
    same(Model(lambda x: x.detach() * 2 + x), (X4,), (X4 - 3,))


def test_data_is_no_constant():
    """``Tensor.data`` may give an incorrect trace; here it is the tensor."""
    same(Model(lambda x: x.data * 2 + x), (X4,), (X4 - 3,))


class SizesInPlace(nn.Module):
    def forward(self, states):
        _, seq_length = states.shape[:2]
        real_seq_length = seq_length
        real_seq_length += 2
        return states.new_zeros(1) + real_seq_length + seq_length


class SizesOutOfPlace(nn.Module):
    def forward(self, states):
        _, seq_length = states.shape[:2]
        real_seq_length = seq_length
        real_seq_length = real_seq_length + 2
        return states.new_zeros(1) + real_seq_length + seq_length


def right_or_refused(model: nn.Module, args: tuple[Any, ...], other: tuple[Any, ...], **options: Any) -> bool:
    """Whether the model was exported; if it was, it is right on both calls."""
    try:
        program = onnxport.export(model, clone(args), **options)
    except OnnxExporterError:
        return False
    for call in (args, other):
        torch.testing.assert_close(program(*clone(call)), model(*clone(call)), check_dtype=False)
    return True


def test_sizes_changed_in_place_are_never_wrong():
    """The two names share memory in a trace: the result must be the model's, or an error."""
    right_or_refused(SizesInPlace(), (X4,), (torch.ones(2, 5),), dynamic_axes={"states": [0, 1]})


def test_sizes_changed_out_of_place():
    assert right_or_refused(SizesOutOfPlace(), (X4,), (torch.ones(2, 5),), dynamic_axes={"states": [0, 1]})


# Limitations: types.


def test_numbers_tuples_and_lists_as_inputs_and_outputs():
    def function(x, pair, items, factor):
        return (x * factor, pair[0] - pair[1]), [items[0], items[1] + 1]

    args = (X4, (X4, X4 + 1), [X4, X4 * 2], 0.5)
    program = same(Model(function), args)
    found = program(*clone(args))
    assert isinstance(found[0], tuple)
    assert isinstance(found[1], list)


def test_dict_and_str_inputs_of_a_trace():
    def function(options, mode):
        return options["a"] * 2 if mode == "double" else options["a"]

    program = same(Model(function), ({"a": X4}, "double"), ({"a": X4 + 1}, "double"))
    with pytest.raises(InvalidArgument, match="exported with 'double'"):
        program({"a": X4}, "single")


def test_dict_outputs_keep_their_keys():
    program = same(Model(lambda x: {"foo": x, "bar": x + 1}), (X4,))
    assert program.output_names == ("foo", "bar")
    assert list(program(X4)) == ["foo", "bar"]


def test_a_str_output_is_given_back():
    program = same(Model(lambda x: (x + 1, x)), (X4,))
    assert len(program(X4)) == 2
    program = onnxport.export(Model(lambda x: (x + 1, "done")), (X4,))
    assert program(X4)[1] == "done"
    assert len(program.output_names) == 1


def test_a_tuple_appended_to_a_list_in_a_script():
    @torch.jit.script
    def function(x):
        pairs = [(x, x + 1)]
        pairs.append((x * 2, x))
        return pairs[1][0] - pairs[0][1]

    same(function, (X4,), (X4 - 2,))


def test_nested_sequences_of_a_trace_keep_their_structure():
    found = same(Model(lambda x: [(x, [x + 1]), (x * 2, [x])]), (X4,))(X4)
    assert isinstance(found[1], tuple)
    assert torch.equal(found[1][1][0], X4)


# Limitations: indexing patterns that the original cannot export, and this one must.

DATA = torch.arange(60.0).reshape(3, 4, 5)

READS = {
    "negative values": lambda data: data[torch.tensor([[1, 2], [2, -3]]), torch.tensor([-2, 3])],
    "one negative index": lambda data: data[torch.tensor([-1, 0])],
    "not consecutive": lambda data: data[torch.tensor([2, 1]), :, torch.tensor([1, -2])],
    "rank 2 and a slice": lambda data: data[torch.tensor([[0, 2], [1, 1]]), 1:3],
}

WRITES = {
    "rank >= 2": (
        lambda data, new: data.__setitem__((torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 3])), new),
        (2, 2, 5),
    ),
    "not consecutive": (
        lambda data, new: data.__setitem__((torch.tensor([2, 0]), slice(None), torch.tensor([1, 2])), new),
        (2, 4),
    ),
    "negative values": (
        lambda data, new: data.__setitem__((torch.tensor([1, -2]), torch.tensor([-2, 3])), new),
        (2, 5),
    ),
    "implicit broadcasting": (
        lambda data, new: data.__setitem__((torch.tensor([[0, 2], [1, -2]]), slice(1, 3)), new),
        (5,),
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("pattern", READS)
def test_reads_by_index(pattern, opset):
    read = READS[pattern]
    same(Model(read), (DATA,), (torch.cat([DATA, DATA]),), opset=opset, input_names=["x"], dynamic_axes={"x": [0]})


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("pattern", WRITES)
def test_writes_by_index(pattern, opset):
    write, shape = WRITES[pattern]
    new = -torch.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)

    def function(data, values):
        data = data.clone()
        write(data, values)
        return data

    same(Model(function), (DATA, new), (DATA + 7, new * 2), opset=opset)


# Adding support for operators.


def test_all_operators_that_cannot_be_converted_are_named():
    def function(x):
        factor = torch.linalg.ldl_factor(x)[0]
        return factor + torch.ctc_loss(x.reshape(3, 1, 3), torch.tensor([[1, 2]]), [3], [2])

    with pytest.raises(UnsupportedOperators) as caught:
        onnxport.export(Model(function), (torch.eye(3) + 1,), check=False)
    assert "ldl_factor" in str(caught.value)
    assert "ctc_loss" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


# Questions.


def test_an_lstm_takes_other_sizes_with_dynamic_axes():
    torch.manual_seed(0)
    model = nn.LSTM(3, 4, batch_first=True).eval()
    same(
        model,
        (torch.rand(2, 5, 3),),
        (torch.rand(3, 7, 3),),
        input_names=["x"],
        dynamic_axes={"x": {0: "batch", 1: "time"}},
    )
    fixed = onnxport.export(model, (torch.rand(2, 5, 3),), input_names=["x"])
    assert [d.dim_value for d in fixed.model_proto.graph.input[0].type.tensor_type.shape.dim] == [2, 5, 3]


def test_numbers_are_inputs_of_a_script_and_constants_of_a_trace():
    def function(x, n: int, f: float, flag: bool):
        return x * n + f if flag else x

    scripted = same(torch.jit.script(function), (X4, 2, 0.5, True), (X4, -3, 1.5, True), (X4, 5, 0.25, False))
    assert scripted.input_names == ("x", "n", "f", "flag")
    traced = same(Model(function), (X4, 2, 0.5, True))
    assert len(traced.input_names) == 1


def test_str_inputs_of_a_script_are_constants():
    @torch.jit.script
    def function(x, mode: str):
        if mode == "double":
            return x * 2
        return x

    program = same(function, (X4, "double"))
    with pytest.raises(InvalidArgument, match="double"):
        program(X4, "single")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.int64, torch.int32, torch.uint8])
def test_scalars_take_the_type_of_the_tensor(dtype):
    same(Model(lambda x: (x * 2 + 1, x + 1.5, 2 - x, x / 2)), (torch.tensor([1, 2, 3]).to(dtype),))


@pytest.mark.parametrize("opset", [11, 13, 18, onnxport.NEWEST_OPSET])
def test_lists_of_tensors_are_exported_from_opset_11(opset):
    @torch.jit.script
    def function(xs: list[torch.Tensor]):
        return torch.cat(xs), xs[-1]

    same(function, ([X4, X4 + 1],), ([X4, X4, X4 * 2],), opset=opset)
    with pytest.raises(OnnxExporterError, match="opset 11"):
        onnxport.export(function, ([X4, X4],), opset_version=10)


def test_a_saved_script_is_exported():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(loops_over_rows), file)
    file.seek(0)
    same(torch.jit.load(file), (X4,), (X4[:2] - 4,), dynamic_axes={"x": [0]})
