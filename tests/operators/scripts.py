"""Programs of the script language: what its compiler writes around the operators on tensors."""

from __future__ import annotations

from typing import Any

import torch

from tests.operators.programs import Program, noise, program, scripted, written

X, OTHER_X = noise(3, 4), (noise(5, 2),)
COUNTS, OTHER_COUNTS = torch.tensor([3, 1, 2]), (torch.tensor([5, 0, 4]),)


def ranges(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(x[0])
    for index in range(x.size(0) - 1, -1, -2):
        total = total * 0.5 + x[index] * index
    return total


def changed(x: torch.Tensor) -> torch.Tensor:
    found = [x, x + 1]
    found.append(x * 2)
    found.insert(0, x - 1)
    found[1] = x.exp()
    del found[2]
    return found.pop() - found[0]


def copied(x: torch.Tensor) -> torch.Tensor:
    sizes = list(x.size())
    sizes.append(1)
    return x.reshape(sizes)


def asked(x: torch.Tensor) -> torch.Tensor:
    if x.is_floating_point() and x.dim() == 2 and len(x) // 2 >= 0 and not x.is_pinned():
        x = x + 1
    if 2 in [x.dim()]:
        x = x * 2
    if x.device.type == "cpu" and x.dtype == torch.float32 and x.layout == torch.strided:
        x = x - 3
    return x


def made(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = x.size(0)
    return torch.tensor([rows, 2]), torch.as_tensor(rows) + torch.tensor(1.5)


def read(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return x * counts.max().item()


def smallest(x: torch.Tensor) -> torch.Tensor:
    rows, columns = x.size(0), x.size(1)
    return x * min(rows, columns) + max(rows, columns) + min([rows, columns, 3])


def listed(counts: torch.Tensor) -> torch.Tensor:
    numbers: list[int] = counts.tolist()
    return torch.tensor(numbers) + numbers[0] + len(numbers)


def nested(x: torch.Tensor) -> torch.Tensor:
    numbers: list[list[float]] = x.tolist()
    return torch.tensor(numbers) * 2


def maybe(x: torch.Tensor, scale: float | None = None) -> torch.Tensor:
    if scale is not None:
        x = x * scale
    return x if scale is None else x + 1


def written_through(x: torch.Tensor) -> torch.Tensor:
    y = x.detach().clone()
    y.data.add_(1.0)
    print("seen", y.size(0))  # noqa: T201 - the exported model prints nothing
    return y.data * 2


def raising(x: torch.Tensor) -> torch.Tensor:
    if x.size(0) > 100:
        raise ValueError("too long")
    return x + 1


def branches(x: torch.Tensor) -> torch.Tensor:
    if bool(x.sum() > 0):
        if x.size(0) > 3:
            return x + 1
        y = x * 2
    else:
        y = x - 1
    return y * 3


def compared(x: torch.Tensor) -> torch.Tensor:
    if bool(torch.equal(x, x)) and bool(torch.allclose(x, x + 1e-9)) and bool(torch.is_nonzero(x.sum() * 0 + 1)):
        x = x + 1
    return x


CHUNKS = """graph(%x : Tensor):
  %a : Tensor, %b : Tensor = prim::ConstantChunk[chunks=2, dim=1](%x)
  %d : int = prim::Constant[value=3]()
  %r : Tensor = aten::sub(%b, %a, %d)
  return (%r)"""
INTERPOLATE = """graph(%x : Tensor):
  %none : NoneType = prim::Constant()
  %size : int[] = prim::Constant[value=[5, 7]]()
  %mode : str = prim::Constant[value="{mode}"]()
  %no : bool = prim::Constant[value=0]()
  %r : Tensor = aten::__interpolate(%x, %size, %none, %mode, %none, %none, %no)
  return (%r)"""
BITS = """graph(%x : Tensor):
  %two : int = prim::Constant[value=2]()
  %a : Tensor = aten::{name}(%x, %two)
  return (%a)"""
IMAGES = noise(2, 3, 6, 8)


def _bits(name: str) -> Program:
    numbers = torch.tensor([[1, 5, 3], [0, 7, 2]])
    return program(f"aten::{name}", written(BITS.format(name=name)), numbers, other=(torch.tensor([[4], [9]]),))


def _script(names: str, function: Any, *args: Any, **facts: Any) -> Program:
    return program(names, scripted(function), *args, **facts)


PROGRAMS: list[Program] = [
    _script("aten::__derive_index aten::__range_length prim::Loop", ranges, X, other=OTHER_X),
    _script(
        "prim::ListConstruct aten::append aten::insert aten::_set_item aten::Delete aten::pop aten::__getitem__",
        changed,
        X,
        other=OTHER_X,
    ),
    _script("aten::list aten::size", copied, X, other=OTHER_X),
    _script(
        "aten::is_floating_point aten::dim aten::len aten::floordiv aten::is_pinned aten::__contains__ "
        "aten::__not__ prim::device prim::type prim::dtype prim::layout prim::If",
        asked,
        X,
        other=OTHER_X,
    ),
    _script("aten::tensor aten::as_tensor prim::Constant prim::TupleConstruct", made, X, other=OTHER_X),
    _script("aten::item", read, X, COUNTS, other=(*OTHER_X, *OTHER_COUNTS)),
    _script("prim::min prim::max", smallest, X, other=OTHER_X),
    _script("prim::tolist", listed, COUNTS, other=OTHER_COUNTS),
    _script("prim::tolist", nested, X),
    _script("aten::__isnot__ aten::__is__ prim::unchecked_cast", maybe, X, 0.5, other=(*OTHER_X, 0.5)),
    _script("prim::data prim::Print", written_through, X, other=OTHER_X),
    _script("prim::RaiseException", raising, X, other=OTHER_X),
    _script("prim::Uninitialized", branches, X, other=(-noise(5, 2),)),
    _script("aten::equal aten::allclose aten::is_nonzero", compared, X, other=OTHER_X),
    program("prim::ConstantChunk", written(CHUNKS), X, other=(noise(5, 6),)),
    program("aten::__interpolate", written(INTERPOLATE.format(mode="nearest")), IMAGES),
    program("aten::__interpolate", written(INTERPOLATE.format(mode="area")), IMAGES),
    program("aten::__interpolate", written(INTERPOLATE.format(mode="bilinear")), IMAGES),
    *map(_bits, ("__and__", "__or__", "__xor__", "__lshift__", "__rshift__")),
]
