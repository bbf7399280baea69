"""Writes inside branches and loops, and aliases that go in and out of them."""

from __future__ import annotations

import pytest
import torch
from onnxport_frontend.functionalize import functionalize
from onnxport_ir.captured import walk
from onnxport_ir.errors import UnsafeMutation


def x34():
    return torch.arange(12.0).reshape(3, 4)


def branch_writes(x, flag: bool):
    y = x * 1
    v = y[0]
    if flag:
        v += 1
    else:
        y[:, 1] = 5.0
    return y, v


def one_branch_writes_outside(x, flag: bool):
    y = x * 1
    if flag:
        y[1].mul_(2)
    return y


def nested(x, flag: bool):
    y = x * 1
    w = y.t()
    if flag:
        w[0] = 1.0
        if bool(y.sum() > 3):
            y.add_(1)
            w[1].zero_()
        else:
            y.sub_(1)
    return y, w


def branch_gives_a_view(x, flag: bool):
    y = x * 1
    if flag:
        v = y[1]
        v += 1
    else:
        v = y[1]
    return v, y


def write_after_branch(x, flag: bool):
    y = x * 1
    v = y[0] + 1 if flag else y[1] * 2
    v += 10
    return v, y


def both_results_written(x, flag: bool):
    y = x * 1
    z = x * 2
    if flag:
        y += 1
        z.mul_(y)
    return y, z


def views_made_outside_read_inside(x, flag: bool):
    y = x * 1
    a, b = y[0], y[1:]
    y.add_(1)
    s = a.sum()
    if flag:
        s = s + b.sum()
        b.zero_()
        s = s + y.sum()
    return s, a, b


def loop_accumulates(x, n: int):
    y = x * 1
    total = torch.zeros(3)
    for i in range(n):
        total += y[:, i]
        y[:, i] = total
    return y, total


def loop_writes_alias(x, n: int):
    y = x * 1
    z = y
    v = y.view(-1)
    for i in range(n):
        y += 1
        v[i] = -1.0
    return y, z, v


def loop_replaces(x, n: int):
    h = x * 1
    for i in range(n):
        h = h * 2
        h[0] += i
    return h


def loop_with_branch(x, n: int):
    y = x * 1
    for i in range(n):
        if i % 2 == 0:
            y[i] = y[i] + 1
        else:
            y[i].neg_()
    return y


def nested_loops(x, n: int):
    y = x * 1
    count = torch.zeros(1)
    for i in range(n):
        row = y[i]
        for j in range(n):
            row[j] = row[j] * 10
            count += 1
        row += 0.5
    return y, count


def loop_until(x, n: int):
    y = x * 1
    while bool(y.sum() < 200):
        y[1] += n
    return y


def loop_carries_a_view(x, n: int):
    y = x * 1
    v = y[0]
    for _ in range(n):
        v += 1
    return v, y


def loop_swaps(x, n: int):
    a = x * 1
    b = x * 2
    for _ in range(n):
        c = a + 1
        a = b
        b = c
    return a, b


def loop_collects(x, n: int):
    outs = []
    h = x * 1
    for _ in range(n):
        h = h + 1
        h[0] = 0.0
        outs.append(h)
    return torch.stack(outs)


def indexed_parts(x, n: int):
    y = x * 1
    parts = y.chunk(2, 1)
    parts[1].add_(n)
    rows = y.unbind(0)
    rows[0].mul_(3)
    a, b = y.split(2, dim=1)
    b.zero_()
    return y, parts[0], rows[2], a


def nothing_runs(x, n: int):
    y = x * 1
    for _ in range(n - n):
        y += 1
    return y


def write_to_one_of_two(x, n: int):
    y = x * 1
    z = x * 2
    v = y if n > 1 else z
    v.add_(1)
    return y, z


def swap_and_write(x, n: int):
    a = x * 1
    b = x * 2
    for _ in range(n):
        a, b = b, a
        a += 1
    return a, b


BRANCHES = [
    branch_writes,
    one_branch_writes_outside,
    nested,
    branch_gives_a_view,
    write_after_branch,
    both_results_written,
    views_made_outside_read_inside,
    write_to_one_of_two,
]
LOOPS = [
    loop_accumulates,
    loop_writes_alias,
    loop_replaces,
    loop_with_branch,
    nested_loops,
    loop_until,
    loop_carries_a_view,
    loop_swaps,
    loop_collects,
    indexed_parts,
    nothing_runs,
    swap_and_write,
]


def compare(tools, function, *choices):
    """Inputs of a script's graph are its arguments, numbers included, so that one graph is run with all of them."""
    script = torch.jit.script(function)
    graph = tools.checked(tools.raw_graph(script, (x34(), choices[0])))
    for choice in choices:
        expected = tools.flat(function(x34(), choice))
        results = tools.run_captured(graph, (x34(), choice))
        assert len(results) == len(expected)
        for got, wanted in zip(results, expected, strict=True):
            assert tools.same(got, wanted), f"{choice}: {got} is not {wanted}\n{graph}"
    return graph


@pytest.mark.parametrize("function", BRANCHES, ids=lambda function: function.__name__)
def test_branches(tools, function):
    compare(tools, function, True, False)


@pytest.mark.parametrize("function", LOOPS, ids=lambda function: function.__name__)
def test_loops(tools, function):
    compare(tools, function, 3, 1, 2)


def test_a_carried_tensor_needs_no_second_variable(tools):
    def f(x, n: int):
        y = x * 1
        for _ in range(n):
            y += 1
        return y

    loop = next(eqn for eqn in compare(tools, f, 2).eqns if eqn.op.name == "Loop")
    assert len(loop.outputs) == 1


def test_results_that_nobody_reads_are_not_added(tools):
    def f(x, flag: bool):
        y = x * 1
        s = x.sum()
        if flag:
            y.add_(1)
            s = s + y.sum()
        return s

    branch = next(eqn for eqn in compare(tools, f, True, False).eqns if eqn.op.name == "If")
    assert len(branch.outputs) == 1


def list_then_write(x, n: int):
    outs = []
    h = x * 1
    for _ in range(n):
        outs.append(h)
        h += 1
    return torch.stack(outs)


def items_of_a_tuple_from_a_loop(x, n: int):
    pair = (x * 1, x * 2)
    held = pair
    for _ in range(n):
        held = (held[1], held[0] + 1)
    held[0].add_(1)
    return pair[0], pair[1]


def an_unpacked_tuple_from_a_loop(x, n: int):
    pair = (x * 1, x * 2)
    held = pair
    for _ in range(n):
        held = (held[1], held[0] + 1)
    first, _ = held
    first += 1
    return pair[0], pair[1]


def part_of_a_list(x, n: int):
    items = [x * 1, x * 2]
    for _ in range(n):
        items.append(x * 3)
    part = items[1:]
    part[0].add_(1)
    return items[1]


def copy_of_a_list(x, n: int):
    items = [x * 1, x * 2]
    for _ in range(n):
        items.append(x * 3)
    copied = list(items)
    copied[0].add_(1)
    return items[0]


def sum_of_lists(x, n: int):
    items = [x * 1, x * 2]
    for _ in range(n):
        items.append(x * 3)
    longer = items + items
    longer[0].add_(1)
    return items[0]


def shape_changed_in_a_branch(x, n: int):
    y = x * 1
    if n > 1:
        y.unsqueeze_(0)
    return y


def shape_changed_of_one_of_two_over_one_memory(x, n: int):
    y = x * 1
    v = y if n > 1 else y.detach()
    v.unsqueeze_(0)
    return y


def shape_changed_of_what_a_loop_hands_on(x, n: int):
    y = x * 1
    v = y
    for _ in range(n):
        v = v.detach()
    v.unsqueeze_(0)
    return y


REFUSED = [
    list_then_write,
    items_of_a_tuple_from_a_loop,
    an_unpacked_tuple_from_a_loop,
    part_of_a_list,
    copy_of_a_list,
    sum_of_lists,
    shape_changed_in_a_branch,
    shape_changed_of_one_of_two_over_one_memory,
    shape_changed_of_what_a_loop_hands_on,
]


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_cannot_be_proved_is_refused(tools, function):
    graph = tools.raw_graph(torch.jit.script(function), (x34(), 2))
    with pytest.raises(UnsafeMutation) as caught:
        functionalize(graph)
    assert caught.value.where.file == __file__
    first = function.__code__.co_firstlineno
    assert first < caught.value.where.line < first + 10


def test_a_list_that_is_only_collected_is_left_alone(tools):
    graph = tools.raw_graph(torch.jit.script(loop_collects), (x34(), 2))
    assert [eqn.op.name for eqn in walk(functionalize(graph).eqns)].count("append") == 1


def test_deep_nesting_is_read_a_bounded_number_of_times(tools):
    """Each level's loop finds out what it carries once; reading it twice for each level would take 2**8 readings."""
    depth = 8
    lines = ["def f(x, n: int):", "    y = x * 1"]
    for level in range(depth):
        lines.append("    " * (level + 1) + f"for i{level} in range(n):")
    lines.append("    " * (depth + 1) + "y.add_(1)")
    lines.append("    return y")
    script = torch.jit.CompilationUnit("\n".join([*lines, ""])).f
    graph = tools.raw_graph(script, (x34(), 2))
    result = tools.checked(graph)
    (got,) = tools.run_captured(result, (x34(), 2))
    assert tools.same(got, x34() + 2**depth)


def test_a_write_to_what_a_branch_chose_is_one_branch_more(tools):
    graph = compare(tools, write_to_one_of_two, 2, 0)
    assert [eqn.op.name for eqn in graph.eqns].count("If") == 2


def test_choices_that_nobody_writes_take_no_equations(tools):
    def f(x, n: int):
        y = x * 1
        z = x * 2
        v = y if n > 1 else z
        w = v + 1
        w += 1
        return v, w

    assert [eqn.op.name for eqn in walk(compare(tools, f, 2, 0).eqns)].count("If") == 1


def test_a_chain_of_choices_does_not_double_with_each(tools):
    """Both ways of each of them lead to the one before: writing along all paths would take 2**12 writes."""
    lines = ["def f(x, n: int):", "    y = x * 1", "    v = y"]
    for number in range(12):
        lines += [f"    if n > {number}:", "        v = v[:, 1:] if n % 2 == 0 else v[:, :3]", "    v.add_(1)"]
    script = torch.jit.CompilationUnit("\n".join([*lines, "    return y", ""])).f
    x = torch.arange(96.0).reshape(3, 32)
    graph = tools.raw_graph(script, (x, 2))
    result = tools.checked(graph)
    assert sum(1 for _ in walk(result.eqns)) < 3000
    for choice in (0, 1, 5, 12):
        (got,) = tools.run_captured(result, (x, choice))
        assert tools.same(got, script(x.clone(), choice))
