"""Small programs that produce one operator each, for the operators that no sample of torch's database produces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tests.ops.harness import Call, Case

# Any: the arguments and results of models.
Model = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Program:
    """A program and the operators that it must produce.

    Attributes:
        names: the operators, as torch's graph of the program has them.
        case: the program, its inputs and what is to become of it.
    """

    names: tuple[str, ...]
    case: Case

    def __str__(self) -> str:
        return self.case.name

    def torch_graph(self) -> str:
        """The program as torch records it, calls of functions and modules followed."""
        model = self.case.model
        if not isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
            with torch.no_grad():
                model = torch.jit.trace(Call(model), self.case.args, check_trace=False)
        return str(model.inlined_graph)


def program(names: str, model: Model, *args: Any, other: Sequence[Any] | None = None, **facts: Any) -> Program:
    """A program of operators, separated by spaces; ``facts`` are fields of :class:`Case`.

    All axes of tensors are dynamic if there are other inputs, unless ``axes`` says which are.
    """
    if other is not None and "axes" not in facts:
        tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
        facts["axes"] = {index: list(range(tensor.dim())) for index, tensor in enumerate(tensors)}
    return Program(tuple(names.split()), Case(names, model, args, None if other is None else tuple(other), **facts))


def scripted(function: Model) -> Any:
    """A function of the script language."""
    return torch.jit.script(function)


def written(graph: str) -> Any:
    """A function whose graph is written by hand, for what the compiler of the script language never writes."""
    return torch._C._create_function_from_graph("written", torch._C.parse_ir(graph))


def called(name: str, *args: Any, results: int = 1) -> Any:
    """A function of tensors that calls one operator by its name, whatever torch would call instead.

    Args:
        name: the operator, ``aten::subtract``.
        args: for each argument ``"x"``, ``"y"``... for an input, else a number, None or a list of them.
        results: how many tensors the operator gives, of which all are returned.
    """
    lines: list[str] = []

    def operand(arg: Any) -> str:
        if isinstance(arg, str):
            return f"%{arg}"
        kind, value = _constant(arg)
        lines.append(f"%c{len(lines)} : {kind} = {value}")
        return f"%c{len(lines) - 1}"

    operands = []
    for arg in args:
        if isinstance(arg, list) and arg and isinstance(arg[0], str):
            lines.append(f"%c{len(lines)} : Tensor[] = prim::ListConstruct({', '.join(map(operand, arg))})")
            operands.append(f"%c{len(lines) - 1}")
        else:
            operands.append(operand(arg))
    names = dict.fromkeys(item for arg in args for item in (arg if isinstance(arg, list) else [arg]))
    inputs = ", ".join(f"%{name} : Tensor" for name in names if isinstance(name, str))
    found = [f"%r{index}" for index in range(results)]
    body = "\n  ".join([*lines, f"{', '.join(f'{r} : Tensor' for r in found)} = {name}({', '.join(operands)})"])
    return written(f"graph({inputs}):\n  {body}\n  return ({', '.join(found)})")


def _constant(value: Any) -> tuple[str, str]:
    """The type of a number or list of numbers in the script language, and its node."""
    if value is None:
        return "NoneType", "prim::Constant()"
    if isinstance(value, list):
        return f"{_constant(value[0])[0] if value else 'int'}[]", f"prim::Constant[value={value}]()"
    kind = type(value).__name__
    return kind, f"prim::Constant[value={int(value) if kind == 'bool' else value}]()"


def noise(*sizes: int, seed: int = 0) -> torch.Tensor:
    """Numbers that look random, always the same; made of operators that a trace of a program may hold."""
    count = torch.Size(sizes).numel()
    return (torch.arange(count, dtype=torch.float32).add(seed + sum(sizes)).mul(12.9898).sin() * 43.7585).sin().reshape(
        sizes
    ) * 2
