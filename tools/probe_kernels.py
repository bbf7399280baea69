"""Which element types ONNX allows and ONNX Runtime's CPU kernels lack; renews the table in ``kernel_gaps.py``.

Each operator is loaded, alone in a model, with each element type that each version of its schema allows for each of
its type variables. What the runtime refuses as not implemented is a gap.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import helper
from onnxport_ir import DType
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET, Formal, Schema, schema_at
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph, NotImplemented as NotImplementedKernel

MODULE = Path(__file__).parent.parent / "packages/symbolics/src/onnxport_symbolics/kernel_gaps.py"

#: Attributes without which a model is not valid, by operator.
ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "AveragePool": {"kernel_shape": [1, 1]},
    "BitShift": {"direction": "LEFT"},
    "Concat": {"axis": 0},
    "DepthToSpace": {"blocksize": 1},
    "Einsum": {"equation": "i->i"},
    "GRU": {"hidden_size": 1},
    "GroupNormalization": {"num_groups": 1},
    "LSTM": {"hidden_size": 1},
    "LpPool": {"kernel_shape": [1, 1]},
    "MaxPool": {"kernel_shape": [1, 1]},
    "MaxRoiPool": {"pooled_shape": [1, 1]},
    "MaxUnpool": {"kernel_shape": [1, 1]},
    "Pad": {"pads": [0, 0]},
    "RNN": {"hidden_size": 1},
    "Slice": {"starts": [0], "ends": [1]},
    "SpaceToDepth": {"blocksize": 1},
    "TopK": {"k": 1},
    "Unsqueeze": {"axes": [0]},
    "Upsample": {"scales": [1.0, 1.0]},
}
#: Operators that take subgraphs, sequences or optionals, or whose result's type an attribute gives.
LEFT_OUT = frozenset({"BitCast", "Cast", "Constant", "If", "Loop", "Scan", "SequenceMap"})
#: Tried first for the type variables that are not being probed.
USUAL = (DType.FLOAT32, DType.INT64, DType.UINT8, DType.INT32, DType.BOOL)
#: As above, for operators whose kernels combine types.
USUAL_OF = {"OneHot": (DType.INT64,)}
#: The types that a model computes with; those that only store weights are left out of the table.
CARRIED = frozenset(d for d in DType if d.bits >= 8 and not d.is_complex and "FLOAT8" not in d.name) - {DType.STRING}
#: Operators that the runtime replaces by their definition, which is another one if optional operands are given.
WITH_ALL_OPERANDS = frozenset({"Clip"})

#: Variadic inputs are given this often.
REPEATS = 2


def main() -> int:
    """Probe all operators and write the table, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the table is out of date")
    parser.add_argument("--only", metavar="OP", nargs="+", help="probe these operators and print what is found")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    if options.only:
        for op_type in options.only:
            for since, gaps in changes(op_type):
                print(op_type, since, {name: sorted(d.name for d in dtypes) for name, dtypes in gaps.items()})
        return 0
    before = MODULE.read_text()
    text = render({(name, since): gaps for name in operators() for since, gaps in changes(name)}, before)
    if options.check:
        return int(before != text)
    MODULE.write_text(text)
    return 0


def operators() -> list[str]:
    """ONNX's own operators that can be probed."""
    names = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    return sorted(names - LEFT_OUT)


def changes(op_type: str) -> Iterator[tuple[int, dict[str, frozenset[DType]]]]:
    """The opsets from which on other types are lacking, with what is lacking there.

    Each opset is tried: where the runtime has no kernel, it may replace an operator by its definition, which it finds
    for some of the opsets that a version of a schema is in force at.
    """
    before: dict[str, frozenset[DType]] = {}
    for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1):
        try:
            schema = schema_at(op_type, opset)
        except KeyError:
            continue
        if schema.deprecated:
            continue
        gaps = gaps_of(schema, opset)
        if gaps != before:
            yield opset, {name: gaps.get(name, frozenset()) for name in {*gaps, *before}}
        before = gaps


def gaps_of(schema: Schema, opset: int) -> dict[str, frozenset[DType]]:
    """The types that the runtime lacks, by type variable (or by input, if that has a type of its own)."""
    variables: dict[str, frozenset[DType]] = {}
    for formal in schema.inputs:
        if formal.dtypes:
            variables.setdefault(formal.type_str, formal.dtypes)
    usual = (*USUAL_OF.get(schema.name, ()), *USUAL)
    chosen = {name: next((d for d in usual if d in dtypes), min(dtypes, key=str)) for name, dtypes in variables.items()}
    gaps = {}
    for name, dtypes in variables.items():
        lacking = frozenset(d for d in dtypes if not has_kernel(schema, opset, {**chosen, name: d}))
        if lacking:
            gaps[name] = lacking
    return gaps


def has_kernel(schema: Schema, opset: int, chosen: Mapping[str, DType]) -> bool:
    """Whether the runtime loads the operator with these types."""
    inputs = []
    for formal in schema.inputs:
        if not formal.dtypes:
            return True
        for _ in range(REPEATS if formal.variadic else 1):
            if not formal.optional or schema.name in WITH_ALL_OPERANDS or _is_probed(schema, formal):
                inputs.append(chosen[formal.type_str])
    given = {name: value for name, value in ATTRIBUTES.get(schema.name, {}).items() if name in schema.attributes}
    names = [f"x{index}" for index in range(len(inputs))]
    results = ["y", *(f"y{index}" for index, formal in enumerate(schema.outputs) if index and not formal.optional)]
    node = helper.make_node(schema.name, names, results, **given)
    graph = helper.make_graph(
        [node],
        "probe",
        [helper.make_tensor_value_info(name, d.onnx, None) for name, d in zip(names, inputs, strict=True)],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    ir_version = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=max(4, ir_version))
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except NotImplementedKernel:
        return False
    except InvalidGraph:
        # The definition that takes the operator's place has operators that do not take the type.
        return schema.name not in WITH_ALL_OPERANDS
    # The runtime refuses for other reasons too: operands that do not fit each other say nothing about kernels.
    except Exception:
        return True
    return True


def _is_probed(schema: Schema, formal: Formal) -> bool:
    """Whether an optional input is needed to probe its type, no required one having the same."""
    return all(other.optional for other in schema.inputs if other.type_str == formal.type_str) and all(
        not earlier.optional or _is_probed(schema, earlier) for earlier in schema.inputs[: schema.inputs.index(formal)]
    )


def render(table: Mapping[tuple[str, int], Mapping[str, frozenset[DType]]], before: str) -> str:
    """The text of the module with another table in it."""
    lines = []
    last: dict[tuple[str, str], str] = {}
    for (name, since), gaps in sorted(table.items()):
        for variable, dtypes in sorted(gaps.items()):
            names = " ".join(dtype.short for dtype in sorted(dtypes & CARRIED, key=lambda d: d.value))
            if names != last.get((name, variable), ""):
                lines.append(f"{name} {since} {variable}: {names}".rstrip())
            last[name, variable] = names
    head, rest = before.split('_TABLE = """\n')
    tail = rest.partition('"""\n')[2]
    head = re.sub(r"ONNX Runtime \d\S*:", f"ONNX Runtime {onnxruntime.__version__}:", head)
    return "".join([head, '_TABLE = """\n', *(f"{line}\n" for line in lines), '"""\n', tail])


if __name__ == "__main__":
    sys.exit(main())
