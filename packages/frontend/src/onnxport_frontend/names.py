"""Names of inputs, outputs and parameters, and the axes that the user calls dynamic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnxport_ir.errors import InvalidArgument

from onnxport_frontend.structure import Path, Tree

#: ``{name: {axis: axis name}}`` or ``{name: [axis, ...]}``.
DynamicAxes = Mapping[str, Mapping[int, str] | Sequence[int]]


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor at the outside of the model, before it has its final name.

    Attributes:
        path: how it is reached in the arguments or the result.
        shape: its sizes in the example; None where it is no tensor.
    """

    path: Path
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Named:
    """A port with its name.

    Attributes:
        name: the name in the exported model.
        axes: the names of its dynamic axes, axes from 0.
    """

    name: str
    axes: dict[int, str]


class Naming:
    """Gives inputs, outputs and parameters their names, and collects what does not fit.

    Args:
        input_names: names for the first inputs; those beyond the inputs are for parameters.
        output_names: names for the first outputs.
        dynamic_axes: by input name, output name or name of an argument of ``forward``.
    """

    def __init__(
        self,
        input_names: Sequence[str] | None,
        output_names: Sequence[str] | None,
        dynamic_axes: DynamicAxes | None,
    ) -> None:
        self._problems: list[str] = []
        self._inputs = _checked("input_names", input_names, self._problems)
        self._outputs = _checked("output_names", output_names, self._problems)
        self._axes: DynamicAxes = dynamic_axes if isinstance(dynamic_axes, Mapping) else {}
        if dynamic_axes is not None and not isinstance(dynamic_axes, Mapping):
            self._problems.append(f"dynamic_axes is a {type(dynamic_axes).__name__}: it must be a mapping of names")
        self._unused = dict.fromkeys(self._axes)
        self._names: list[str] = []
        self._for_params: list[str] = []
        self._taken = {*self._inputs, *self._outputs}
        both = set(self._inputs) & set(self._outputs)
        self._problems += [f"{name!r} is both in input_names and in output_names" for name in sorted(both)]

    def inputs(self, ports: Sequence[Port]) -> list[Named]:
        """The inputs' names and axes."""
        names = _complete(self._inputs, [".".join(port.path) for port in ports], self._taken)
        self._for_params = self._inputs[len(ports) :]
        named = []
        for name, port in zip(names, ports, strict=True):
            keys = [name, port.path[0]] if len(port.path) == 1 else [name]
            named.append(Named(name, self._named_axes(keys, port)))
        self._problems += _contradictions(named, ports)
        return named

    def outputs(self, ports: Sequence[Port], result: Tree) -> list[Named]:
        """The outputs' names and axes; ``result`` is the structure of the model's result."""
        if len(self._outputs) > len(ports):
            self._problems.append(f"output_names has {len(self._outputs)} names, the model has {len(ports)} outputs")
        names = _complete(self._outputs, _default_outputs(ports, result), self._taken)
        return [Named(name, self._named_axes([name], port)) for name, port in zip(names, ports, strict=True)]

    def params(self, defaults: Sequence[str]) -> list[str]:
        """The parameters' names: the given ones first, then their own, changed where an input has that name."""
        surplus = len(self._for_params) - len(defaults)
        if surplus > 0:
            self._problems.append(f"input_names has {surplus} names more than the model has inputs and parameters")
        return _complete(self._for_params, defaults, self._taken)

    def check(self) -> None:
        """Call when all names are given.

        Raises:
            InvalidArgument: with everything that does not fit.
        """
        for key in self._unused:
            self._problems.append(f"dynamic_axes names {key!r}; the model has {', '.join(map(repr, self._names))}")
        if self._problems:
            raise InvalidArgument("; ".join(self._problems))

    def _named_axes(self, keys: Sequence[str], port: Port) -> dict[int, str]:
        self._names.append(keys[0])
        axes: dict[int, str] = {}
        for key in dict.fromkeys(keys):
            if key in self._axes:
                self._unused.pop(key, None)
                axes.update(_axes(key, self._axes[key], port, self._problems))
        return axes


def _checked(what: str, names: Sequence[str] | None, problems: list[str]) -> list[str]:
    if names is None:
        return []
    given: object = names
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        problems.append(f"{what} must be a sequence of texts")
        return []
    if not all(names):
        problems.append(f"{what} has an empty name")
    twice = sorted({name for name in names if list(names).count(name) > 1}) if len(set(names)) < len(names) else []
    problems += [f"{what} has {name!r} more than once" for name in twice]
    return list(names)


def _complete(given: Sequence[str], defaults: Sequence[str], taken: set[str]) -> list[str]:
    """``given``, and for the rest the defaults made unique; enters them into ``taken``."""
    names = list(given[: len(defaults)])
    for default in defaults[len(names) :]:
        name, number = default or "input", 1
        while name in taken:
            name, number = f"{default}_{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def _default_outputs(outputs: Sequence[Port], result: Tree) -> list[str]:
    if result.is_leaf:
        return ["output"] * len(outputs)
    keyed = not all(name.isdigit() for name in result.names)
    if not keyed and len(outputs) == 1:
        return ["output"]
    return [("" if keyed else "output_") + ".".join(port.path) for port in outputs]


def _axes(key: str, value: object, port: Port, problems: list[str]) -> dict[int, str]:
    """One entry of dynamic_axes, with axes from 0 and names."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        # The automatic names count positions in the list, not axes: torch.onnx has always done so.
        pairs = [(axis, f"{key}_dynamic_axes_{number}") for number, axis in enumerate(value, 1)]
    else:
        problems.append(f"dynamic_axes[{key!r}] is neither a mapping of axes to names nor a sequence of axes")
        return {}
    found: dict[int, str] = {}
    for axis, name in pairs:
        fault = _fault(axis, name, port)
        if fault is not None:
            problems.append(f"dynamic_axes[{key!r}]: {fault}")
            continue
        rank = len(port.shape or ())
        if axis % rank in found:
            problems.append(f"dynamic_axes[{key!r}]: axis {axis % rank} occurs twice")
        found[axis % rank] = name
    return found


def _fault(axis: object, name: object, port: Port) -> str | None:
    if port.shape is None:
        return "this is no tensor and has no axes"
    if not isinstance(axis, int) or isinstance(axis, bool):
        return f"axis {axis!r} is no integer"
    rank = len(port.shape)
    if not -rank <= axis < rank:
        return f"axis {axis} is out of range for a tensor of rank {rank}"
    if not isinstance(name, str) or not name or name.startswith("?"):
        return f"axis {axis} has the name {name!r}, which is no name for a dimension"
    return None


def _contradictions(named: Sequence[Named], ports: Sequence[Port]) -> list[str]:
    """Axes of one name whose sizes differ in the example."""
    seen: dict[str, tuple[int, str]] = {}
    problems = []
    for item, port in zip(named, ports, strict=True):
        for axis, axis_name in item.axes.items():
            size = (port.shape or ())[axis]
            where = f"{item.name}[{axis}]"
            first, first_where = seen.setdefault(axis_name, (size, where))
            if first != size:
                problems.append(f"dynamic axis {axis_name!r} has size {first} in {first_where} and {size} in {where}")
    return problems
