"""Mutations as data: each program runs at two sizes, traced, and scripted where TorchScript can say it.

``x: (n, m)``, ``y: (m,)``; both sizes are dynamic. What a program returns shows every tensor whose memory it touched.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

CASES: list[Case] = []


@dataclasses.dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        name: for the report.
        function: the program, of ``x`` and ``y``, or a class of modules with such a ``forward``.
        traced: part of the message that refuses the trace; None if it is exported.
        scripted: the same for the script; the empty text if TorchScript itself does not take the program.
    """

    name: str
    function: Callable[..., Any]
    traced: str | None = None
    scripted: str | None = None

    def __str__(self) -> str:
        return self.name


def case(traced: str | None = None, scripted: str | None = None) -> Callable[[Any], Any]:
    """Enter a function or module class."""

    def enter(function: Any) -> Any:
        CASES.append(Case(function.__name__, function, traced, scripted))
        return function

    return enter


# --- views and writes --------------------------------------------------------------------------------------------


@case()
def column_of_an_input(x, y):
    v = x[:, 0]
    v += y[0]
    v.mul_(2)
    return x


@case()
def assigned_value_is_broadcast(x, y):
    z = x * 1
    z[:] = y
    z[1:, 1:] = y[1:]
    z[0] = 3.0
    return z


@case(scripted="")
def assigned_value_with_leading_ones(x, y):
    z = x * 1
    z[0] = y[None, None]
    z[torch.tensor([1, 2])] = y[None]
    return z


@case()
def two_names_of_one_tensor(x, y):
    a = x * 1
    b = a
    a += 1
    b.mul_(2)
    return a, b


@case()
def swap_of_rows(x, y):
    z = x * 1
    first = z[0].clone()
    z[0] = z[1]
    z[1] = first
    return z


@case()
def swap_of_rows_without_a_copy(x, y):
    z = x * 1
    first = z[0]
    z[0] = z[1]
    z[1] = first
    return z, first


@case()
def write_to_a_diagonal_of_a_transposed_slice(x, y):
    z = x * 1
    z[1:].t().diagonal().add_(10)
    return z


@case()
def write_through_a_chain_of_views(x, y):
    z = x * 1
    v = z.unsqueeze(0).permute(2, 0, 1).squeeze(1)[1:].movedim(0, 1).narrow(0, 0, 2)
    v.sub_(5)
    return z, v


@case()
def read_between_writes(x, y):
    z = x * 1
    row = z[1]
    before = row.sum()
    z.add_(1)
    return before, row.sum(), z


@case()
def copy_casts(x, y):
    counts = torch.zeros_like(x, dtype=torch.int64)
    counts.copy_(x * 1.7)
    half = x.double()
    half[0].copy_(counts[1])
    return counts, half


@case()
def masks_and_indices(x, y):
    z = x * 1
    z[z > 1] = 0
    z[z < y] += 2
    z[torch.tensor([0, -1])] *= 3
    z[:, torch.tensor([1, 0])] = z[:, :2] * 1
    z.index_fill_(1, torch.tensor([2]), 9)
    z.masked_fill_(y > 1, -7)
    return z


@case()
def scatters(x, y):
    z = x * 1
    z.scatter_(1, torch.zeros_like(x, dtype=torch.int64), 5)
    z.scatter_add_(0, torch.ones_like(x, dtype=torch.int64), x)
    z.index_add_(0, torch.tensor([1, 1]), x[:2])
    z.index_copy_(0, torch.tensor([0]), x[2:3])
    return z


@case(scripted="its shape is not known")
def out_is_a_row(x, y):
    z = torch.zeros_like(x)
    torch.add(y, 1, out=z[0])
    torch.mul(z, 2, out=z)
    return z


@case(scripted="")
def out_of_several_results(x, y):
    values, indices = torch.zeros_like(x), torch.zeros_like(x, dtype=torch.int64)
    view = values[0]
    torch.sort(x, 1, out=(values, indices))
    return values, indices, view


@case()
def chunks(x, y):
    z = x * 1
    left, right = z.chunk(2, 1)
    right.copy_(left)
    left.neg_()
    return z


@case()
def data_is_the_same_memory(x, y):
    z = x * 1
    z.data.add_(1)
    z.detach().mul_(2)
    return z


@case()
def shape_changed_in_place(x, y):
    z = x * 1
    row = z[0]
    z.t_()
    z.unsqueeze_(0)
    z[:, 0].add_(3)
    z.squeeze_(0)
    z.transpose_(0, 1)
    return z, row


@case(scripted="changes the shape of a tensor")
def shape_changed_of_what_may_be_the_same_tensor(x, y):
    z = x * 1
    other = z.type_as(y)
    z.unsqueeze_(0)
    return z, other


@case()
def what_changes_no_element(x, y):
    z = x * 1
    z.requires_grad_(False)
    z.detach_()
    z.add_(1)
    return z


@case(scripted="may or may not share its memory")
def handed_back(x, y):
    z = x * 1
    F.dropout(z[1:], 0.5, False).add_(1)
    z.type_as(y).mul_(2)
    z.to(y.dtype).sub_(1)
    return z


@case()
def at_least(x, y):
    z = y * 1
    torch.atleast_2d(z).add_(1)
    torch.atleast_3d(z)[0, 1:].mul_(2)
    total = x.sum()
    torch.atleast_1d(total).add_(1)
    return z, total


@case(scripted="")
def at_least_of_several(x, y):
    z, total = y * 1, x.sum()
    first, second = torch.atleast_2d(z, total)
    first.add_(1)
    second.mul_(2)
    torch.atleast_3d([x, z])[1].sub_(1)
    return z, total


@case(scripted="")
def deep_copies(x, y):
    z = x * 1
    twin = copy.deepcopy(z)
    z.add_(1)
    return z, twin


@case(scripted="")
def in_containers(x, y):
    state = {"rows": [x * 1, y * 1], "last": (x * 2,)}
    state["rows"][0][0] = 5
    state["rows"][1] += 1
    alias = state["last"][0]
    alias.zero_()
    return state["rows"][0], state["rows"][1], state["last"][0]


@case()
def activations_in_place(x, y):
    z = x * 1
    F.relu(z, inplace=True)
    F.leaky_relu(z[0].sub_(2), 0.1, inplace=True)
    F.hardtanh(z, -1.0, 1.0, inplace=True)
    return z


# --- refusals ----------------------------------------------------------------------------------------------------


@case("elements of that view can share memory", "elements of that view can share memory")
def write_to_overlapping_windows(x, y):
    z = y * 1
    windows = z.unfold(0, 2, 1)
    windows[0].add_(1)
    return z


@case("uses Tensor.resize_", "aten::resize_ writes its arguments")
def resized(x, y):
    z = x * 1
    z.resize_(2, 2)
    return z


@case("uses Tensor.resize_", "aten::resize_as_ writes its arguments")
def resized_as_another(x, y):
    z = x * 1
    z.resize_as_(y)
    return z


@case("uses Tensor.set_", "aten::set_")
def other_memory(x, y):
    z = torch.zeros_like(x)
    z.set_(x)
    z.add_(1)
    return z, x


@case("uses an assignment to Tensor.data", "")
def other_data(x, y):
    z = x * 1
    z.data = x
    z.add_(1)
    return z, x


@case("uses Tensor.set_, or a copy made by copy.copy", "")
def shallow_copy(x, y):
    z = x * 1
    copy.copy(z).add_(1)
    return z


@case("uses Tensor.apply_", "")
def applied_in_python(x, y):
    z = x * 1
    z.apply_(lambda value: value + 1)
    return z


@case("uses DLPack", "")
def through_dlpack(x, y):
    z = x * 1
    torch.from_dlpack(z).add_(1)
    return z


@case("shares its memory with a result of einsum")  # TorchScript drops the write itself
def result_of_einsum(x, y):
    z = x * 1
    torch.einsum("ij->ji", z).add_(1)
    return z


@case("its source may share memory", "its source may share memory")
def source_of_a_masked_scatter(x, y):
    z = x * 1
    z.masked_scatter_(z > 0, z)
    return z


# --- branches and loops ------------------------------------------------------------------------------------------


@case()
def loop_writes_rows(x, y):
    z = x * 1
    for i in range(3):
        z[i] += i
        z[i].mul_(2)
    return z


@case()
def loop_writes_through_a_view_from_outside(x, y):
    z = x * 1
    column = z[:, 1]
    for _ in range(3):
        column.add_(1)
        z[0, 2:] = column[1]
    return z, column


@case(traced="")
def branch_writes_through_a_view_from_outside(x, y):
    z = x * 1
    column = z.t()[0]
    if bool(y.sum() > 0):
        column.zero_()
    else:
        z.add_(1)
        column.mul_(3)
    return z, column


@case(traced="")
def loop_with_a_branch_and_two_tensors(x, y):
    z, total = x * 1, y * 0
    part = z[1:, 1:]
    for i in range(int(y.numel())):
        if i % 2 == 0:
            part.add_(1)
            total += z[1]
        else:
            total.sub_(part[0, 0])
            z[0, i] = 7
    return z, part, total


@case(traced="")
def while_that_halves(x, y):
    z = x * 4 + 100
    first = z[0]
    while bool(first.max() > 3):
        z.div_(2)
        first -= 1
    return z, first


@case(traced="")
def branch_writes_an_input(x, y):
    if bool(y.sum() > 0):
        x[0] = y
    x += 1
    return x


@case(traced="")
def list_of_views_written_in_a_loop(x, y):
    z = x * 1
    parts = [z[0], z[1]]
    for _ in range(2):
        parts[0].add_(1)
        parts[1].mul_(2)
    return z


# --- modules -----------------------------------------------------------------------------------------------------


class Scale(nn.Module):
    def forward(self, x):
        x.mul_(2)
        return x[0]


@case()
class NestedModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Scale()
        self.act = nn.Sequential(nn.ReLU(inplace=True), nn.Hardtanh(inplace=True))

    def forward(self, x, y):
        z = x * 1
        row = self.inner(z)
        row.add_(y)
        self.act(z)
        return z, row


@case()
class Buffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.arange(6.0).reshape(2, 3))
        self.register_buffer("count", torch.tensor(1))

    def forward(self, x, y):
        self.count += 1
        self.state[0].add_(y.sum())
        self.state.view(-1)[4:] *= 2
        return x * self.state[0, 0], self.state, self.count * 1


@case()
class BufferReshapedInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.arange(6.0).reshape(2, 3))

    def forward(self, x, y):
        return self.state.unsqueeze_(0), x


@case("writes to its parameters", "writes to its parameters")
class ViewOfAParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))

    def forward(self, x, y):
        with torch.no_grad():
            self.weight[0].add_(1)
        return x * self.weight.sum()


@case()
def nested_loops_write_a_name_that_moves_on(x, y):
    z = x * 1
    for _ in range(2):
        for j in range(2):
            z[j] += y
        z = z.clone()
    return z


@case()
def at_least_is_the_tensor_itself(x, y):
    same = torch.atleast_2d(x)
    same.unsqueeze_(0)
    return x, same


@case()
def what_is_written_is_expanded_to_nothing(x, y):
    first = y[torch.tensor([0])]
    first[1:] = first
    return first, y


@case()
def one_axis_flattened_is_the_tensor_itself(x, y):
    same = y.flatten()
    same.unsqueeze_(0)
    row = x.flatten(-1)
    row.t_()
    return x, y, same, row
