"""``onnxport diff``."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import onnx
import typer

from onnxport_cli.check import read_header
from onnxport_cli.inspecting import describe
from onnxport_cli.output import Output
from onnxport_cli.structure import Structure, first_differences, function_structure, graph_structure, tensor_digest

#: How many nodes the tables show; the JSON document has all.
_SHOWN = 10


@dataclass(slots=True)
class Difference:
    """Where two models differ.

    Attributes:
        opsets: the versions of each operator set, None where it is not imported; the IR version as ``"IR"``.
        inputs: lines of inputs, with their types, of one model and the other, in order; empty if they are the same.
        outputs: the same of outputs.
        operators: how often each operator occurs, where that differs.
        weights: ``"only in a"``, ``"only in b"``, ``"changed"`` or ``"renamed to ..."``, by name.
        functions: the same of local functions.
        nodes: the first nodes that are computed in one model only.
    """

    opsets: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    inputs: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    outputs: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    operators: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def diff(
    a: Annotated[Path, typer.Argument(help="An ONNX file.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of tables.")] = False,
) -> None:
    """Compare two ONNX files, whatever their nodes are called; the exit code is 1 if they differ."""
    out = Output(as_json)
    with out.working("Comparing"):
        found = compare_models(a, b)
    names = [str(a), str(b)]
    if found.opsets:
        out.table("Opsets", ["domain", *names], _rows(found.opsets))
    for title, ports in (("Inputs", found.inputs), ("Outputs", found.outputs)):
        if ports:
            out.table(title, ["position", *names], _rows(ports))
    if found.operators:
        out.table("Operators", ["operator", *names], _rows(found.operators))
    for title, changes in (("Weights", found.weights), ("Functions", found.functions)):
        if changes:
            out.table(title, ["name", "difference"], changes.items())
    for where, labels in found.nodes.items():
        more = len(labels) - _SHOWN
        rows = [(label,) for label in labels[:_SHOWN]] + ([(f"and {more} more",)] if more > 0 else [])
        out.table(f"First nodes {where}", ["node"], rows)
    if not found:
        out.text(f"{a} and {b} are the same model")
    out.document({"same": not found, **asdict(found)})
    if found:
        raise typer.Exit(1)


def compare_models(a: Path, b: Path) -> Difference:
    """Compare two models.

    Raises:
        InvalidArgument: if a file is missing or no ONNX model, or its external data is missing.
    """
    protos = read_header(a), read_header(b)
    left, right = (describe(proto) for proto in protos)
    found = Difference(
        opsets=_changed(
            {**left["opsets"], "IR": left["ir_version"]}, {**right["opsets"], "IR": right["ir_version"]}, None
        ),
        inputs=_ports(left["inputs"], right["inputs"]),
        outputs=_ports(left["outputs"], right["outputs"]),
        operators=_changed(left["operators"], right["operators"], 0),
        weights=_weights(protos[0], a, protos[1], b),
    )
    structures = graph_structure(protos[0].graph, a.parent), graph_structure(protos[1].graph, b.parent)
    found.nodes = _nodes(*structures)
    found.functions = _functions(protos[0], a, protos[1], b)
    return found


def _rows(changes: Mapping[str, Sequence[object]]) -> list[list[object]]:
    return [
        [name or "ai.onnx", *("" if value is None else value for value in values)] for name, values in changes.items()
    ]


def _changed(
    left: Mapping[str, int], right: Mapping[str, int], default: int | None
) -> dict[str, tuple[int | None, int | None]]:
    names = dict.fromkeys([*left, *right])
    pairs = {name: (left.get(name, default), right.get(name, default)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _ports(
    left: Sequence[Mapping[str, str]], right: Sequence[Mapping[str, str]]
) -> dict[str, tuple[str | None, str | None]]:
    texts = [[f"{port['name']}: {port['type']}" for port in ports] for ports in (left, right)]
    longest = max(map(len, texts))
    padded = [[*text, *[None] * (longest - len(text))] for text in texts]
    return {str(index): (x, y) for index, (x, y) in enumerate(zip(*padded, strict=True)) if x != y}


def _weights(left: onnx.ModelProto, a: Path, right: onnx.ModelProto, b: Path) -> dict[str, str]:
    ours = {tensor.name: tensor_digest(tensor, a.parent) for tensor in left.graph.initializer}
    theirs = {tensor.name: tensor_digest(tensor, b.parent) for tensor in right.graph.initializer}
    new = collections.defaultdict(list)
    for name, digest in theirs.items():
        if name not in ours:
            new[digest].append(name)
    found = {}
    for name, digest in ours.items():
        if name in theirs:
            if theirs[name] != digest:
                found[name] = "changed"
        elif new[digest]:
            found[name] = f"renamed to {new[digest].pop(0)}"
        else:
            found[name] = "only in a"
    found.update({name: "only in b" for names in new.values() for name in names})
    return found


def _nodes(left: Structure, right: Structure) -> dict[str, list[str]]:
    found = {"only in a": first_differences(left, right), "only in b": first_differences(right, left)}
    if not any(found.values()) and left.outputs != right.outputs:
        found["only in b"] = ["the outputs are other values, or in another order"]
    return {where: labels for where, labels in found.items() if labels}


def _functions(left: onnx.ModelProto, a: Path, right: onnx.ModelProto, b: Path) -> dict[str, str]:
    ours, theirs = ({_key(function): function for function in proto.functions} for proto in (left, right))
    found = {}
    for key, function in ours.items():
        other = theirs.get(key)
        if other is None:
            found[key] = "only in a"
        elif function_structure(function, a.parent) != function_structure(other, b.parent) or _imports(
            function
        ) != _imports(other):
            found[key] = "changed"
    found.update({key: "only in b" for key in theirs if key not in ours})
    return found


def _key(function: onnx.FunctionProto) -> str:
    return f"{function.domain}::{function.name}" + (f":{function.overload}" if function.overload else "")


def _imports(function: onnx.FunctionProto) -> dict[str, int]:
    return {entry.domain: entry.version for entry in function.opset_import}
