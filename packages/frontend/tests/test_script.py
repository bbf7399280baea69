"""TorchScript: modules and functions that are compiled, and compiled parts of traced models."""

import pytest
import torch
from onnxport_frontend import capture
from onnxport_ir.captured import Var, walk
from onnxport_ir.captured_text import check_graph
from onnxport_ir.errors import NotYetSupported, OnnxExporterError, UnsafeMutation
from onnxport_ir.types import ScalarType, SequenceType
from torch import nn


def checked(*args, **kwargs):
    captured = capture(*args, **kwargs)
    check_graph(captured.graph)
    return captured


def ops(captured):
    return [str(eqn.op) for eqn in walk(captured.graph.eqns)]


@torch.jit.script
def steps(x, n: int):
    for i in range(n):
        if x.sum() > 0:  # noqa: SIM108 - the branch is what is tested
            x = x + i  # the line in the loop
        else:
            x = x - 1
    return x


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.factor = 2

    def forward(self, x, mask: torch.Tensor | None = None):
        if self.training:
            x = x + 100
        if mask is not None:
            x = x * mask
        return self.linear(x) * self.factor


def test_loop_and_branch_become_equations_with_blocks():
    captured = checked(steps, (torch.ones(3), 4))
    x, n = captured.graph.inputs
    assert n.var.type == ScalarType("int")
    (loop,) = captured.graph.eqns
    assert str(loop.op) == "prim::Loop"
    assert loop.args == (n.var, True, x.var)
    (body,) = loop.blocks
    assert len(body.inputs) == len(loop.args) - 1
    (branch,) = [eqn for eqn in body.eqns if eqn.blocks]
    assert [str(eqn.op) for eqn in branch.blocks[0].eqns] == ["aten::add.Scalar"] or [
        str(eqn.op) for eqn in branch.blocks[0].eqns
    ] == ["aten::add.Tensor"]
    add = branch.blocks[0].eqns[0]
    with open(__file__, encoding="utf-8") as source:
        assert "# the line in the loop" in source.readlines()[add.place.line - 1]
    assert captured.signature.flatten((torch.ones(3),), {"n": 4})["n"] == 4


def test_flags_and_absent_arguments_are_decided():
    captured = checked(torch.jit.script(Block()).eval(), (torch.ones(2, 3),))
    assert "prim::If" not in ops(captured)
    assert [param.name for param in captured.graph.params] == ["linear.weight", "linear.bias"]
    assert captured.graph.module_classes["linear"] == "Linear"
    assert captured.graph.name.endswith("Block")
    with_mask = checked(torch.jit.script(Block()), (torch.ones(2, 3), torch.ones(3)))
    assert len(ops(with_mask)) == len(ops(captured)) + 2


def test_traced_module_is_not_traced_again():
    calls = []

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            calls.append(1)
            return self.block(x)

    traced = torch.jit.trace(Model().eval(), torch.ones(2, 3), check_trace=False)
    count = len(calls)
    captured = checked(traced, (torch.ones(2, 3),), dynamic_axes={"x": {0: "n"}})
    assert len(calls) == count
    assert [param.name for param in captured.graph.params] == ["block.linear.weight", "block.linear.bias"]
    assert [output.name for output in captured.graph.outputs] == ["output"]


def test_script_function_in_a_trace():
    class Model(nn.Module):
        def forward(self, x):
            return steps(x, 2) + steps(x, 3)

    captured = checked(Model(), (torch.ones(3),))
    assert ops(captured).count("prim::Loop") == 2
    # What comes out of a loop has no sizes that are facts.
    assert not any(isinstance(dim, int) for dim in captured.graph.outputs[0].value.type.shape)


def test_script_module_in_a_trace():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.scripted = torch.jit.script(Block())

        def forward(self, x):
            return self.scripted(x)

    captured = checked(Model().eval(), (torch.ones(2, 3),))
    assert [param.name for param in captured.graph.params] == ["scripted.linear.weight", "scripted.linear.bias"]


def test_lists_that_are_written_to_stay_values():
    @torch.jit.script
    def collect(x, n: int):
        found = [x]
        for i in range(n):
            found.append(x + i)
        return torch.stack(found)

    captured = checked(collect, (torch.ones(2), 3))
    construct = captured.graph.eqns[0]
    assert str(construct.op) == "prim::ListConstruct"
    assert isinstance(construct.outputs[0].type, SequenceType)
    assert "aten::append.t" in ops(captured) or any("append" in op for op in ops(captured))


def test_a_list_of_the_caller_is_one_list():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = 2

        def add(self, found: list[torch.Tensor], x):
            found.append(x * self.scale)

        def forward(self, x):
            found = [x]
            self.add(found, x)
            return torch.stack(found)

    captured = checked(torch.jit.script(Model()), (torch.ones(2),))
    construct, append, stack = (eqn for eqn in captured.graph.eqns if eqn.op.name != "mul")
    assert append.args[0] is construct.outputs[0]
    assert stack.args[0] is construct.outputs[0]


def test_writing_to_a_list_of_the_model_is_refused():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.sizes = [1, 2]

        def forward(self, x):
            self.sizes.append(3)
            return x * self.sizes[0]

    with pytest.raises(UnsafeMutation, match="list"):
        capture(torch.jit.script(Model()), (torch.ones(2),))


def test_a_list_of_tensors_is_one_input_of_any_length():
    @torch.jit.script
    def total(xs: list[torch.Tensor]):
        return torch.stack(xs).sum(0)

    captured = checked(total, ([torch.ones(2), torch.zeros(2)],))
    (item,) = captured.graph.inputs
    assert item.name == "xs"
    assert isinstance(item.var.type, SequenceType)
    given = [torch.ones(2)] * 3
    assert captured.signature.flatten((given,)) == {"xs": given}
    with pytest.raises(NotYetSupported, match="element types"):
        capture(total, ([torch.ones(2), torch.ones(2, dtype=torch.int64)],))
    with pytest.raises(NotYetSupported, match="empty"):
        capture(torch.jit.script(lambda_length), ([],))


def lambda_length(xs: list[torch.Tensor]):
    return torch.ones(2) * len(xs)


def test_a_list_of_unknown_length_is_one_output():
    @torch.jit.script
    def parts(x, n: int):
        found = torch.jit.annotate(list[torch.Tensor], [])
        for i in range(n):
            found.append(x + i)
        return found, x

    captured = checked(parts, (torch.ones(2), 3))
    assert [type(output.value) for output in captured.graph.outputs] == [Var, Var]
    assert isinstance(captured.graph.outputs[0].value.type, SequenceType)
    assert len(captured.example_outputs[0]) == 3
    assert captured.signature.unflatten([["a", "b"], "x"]) == (["a", "b"], "x")


def test_dictionaries_and_tuples_in_and_out():
    @torch.jit.script
    def swap(pair: tuple[torch.Tensor, torch.Tensor], scale: float = 2.0):
        return {"a": pair[1] * scale, "b": pair[0]}

    captured = checked(swap, ((torch.ones(2), torch.zeros(2)),))
    assert [item.name for item in captured.graph.inputs] == ["pair.0", "pair.1"]
    assert [output.name for output in captured.graph.outputs] == ["a", "b"]
    assert captured.graph.outputs[1].value is captured.graph.inputs[0].var


def test_an_attribute_that_is_set_is_told_and_put_back():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def forward(self, x):
            self.count += 1
            return x + self.count

    model = torch.jit.script(Model())
    captured = capture(model, (torch.ones(2),))
    assert [finding.what for finding in captured.findings] == ["the model reads and sets its attribute count"]
    assert model.count == 0


def test_loaded_models_are_captured(tmp_path):
    scripted = torch.jit.script(Block()).eval()
    scripted.save(str(tmp_path / "model.pt"))
    loaded = torch.jit.load(str(tmp_path / "model.pt"))
    assert ops(checked(loaded, (torch.ones(2, 3),))) == ops(checked(scripted, (torch.ones(2, 3),)))


def test_script_that_raises():
    @torch.jit.script
    def positive(x):
        if bool(x.sum() < 0):
            raise ValueError("negative")
        return x + 1

    with pytest.raises(OnnxExporterError, match="negative"):
        capture(positive, (-torch.ones(2),))
    assert "prim::RaiseException" in ops(checked(positive, (torch.ones(2),)))
