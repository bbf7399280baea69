"""The rules against ONNX Runtime: a model of one node is run, and what it gives is compared with what was inferred.

An operand is written as data: ``("f32", n, 3)`` a tensor with these sizes, ``("sizes", n, 4)`` an int64 tensor of rank
1 that holds these numbers, ``("size", n)`` one of rank 0, an array a constant, None one that is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
from onnxport_ir import Block, DimSource, DType, Model, Node, SymDim, TensorType, Value
from onnxport_ir.dims import Dim
from onnxport_ir.naming import assign_names
from onnxport_ir.proto import encode
from onnxport_ir.rules import infer, propagate
from onnxport_ir.types import SequenceType, ValueType

#: Two assignments of sizes to names; the first one is the example that hints come from.
SIZES = ({"n": 2, "m": 3, "h": 8, "w": 11, "k": 4}, {"n": 3, "m": 5, "h": 9, "w": 6, "k": 2})
_DTYPES = {dtype.short: dtype for dtype in DType}


def evaluated(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    """The number that a formula comes to; None for an unknown size."""
    if isinstance(dim, int):
        return dim
    return eval(str(dim), {"__builtins__": {}, "min": min, **sizes}) if dim.is_printable else None


def hinted(dim: Dim) -> Dim:
    """The formula with the example's size."""
    return dim if isinstance(dim, int) else SymDim(dim.terms, evaluated(dim, SIZES[0]))


def operand_of(spec: Any, sizes: Mapping[str, int] | None) -> Value | None:
    """An operand with symbolic sizes, or with those of an assignment."""
    if spec is None:
        return None
    if isinstance(spec, np.ndarray | np.generic):
        return Value.of(spec)
    kind, *dims = spec
    known = tuple(hinted(dim) if sizes is None else evaluated(dim, sizes) for dim in dims)
    if kind in {"sizes", "size"}:
        value = Value(TensorType(DType.INT64, (len(known),) if kind == "sizes" else ()))
        value.symbolic = known
        return value
    return Value(TensorType(_DTYPES[kind], known))


def array_of(spec: Any, sizes: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
    """Elements for an operand that is no constant: small and positive, so that every operator takes them."""
    kind, *dims = spec
    known = [evaluated(dim, sizes) for dim in dims]
    if kind in {"sizes", "size"}:
        return np.array(known if kind == "sizes" else known[0], np.int64)
    dtype = _DTYPES[kind].numpy
    if dtype == np.bool_:
        return np.asarray(rng.integers(0, 2, known), np.bool_)
    numbers = rng.random(known) + 0.5 if dtype.kind == "f" else rng.integers(1, 3, known)
    return np.asarray(numbers, dtype)


def run(model: Model, arrays: Mapping[str, np.ndarray], reference: bool) -> list[Any]:
    content = encode(model).to_bytes()
    if reference:
        return onnx.reference.ReferenceEvaluator(onnx.ModelProto.FromString(content)).run(None, dict(arrays))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    # Nothing is to be computed in advance by the runtime's own inference.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(arrays))


def inferred(op: str, operands: Sequence[Value | None], attributes: Mapping[str, Any], count: int, opset: int) -> Node:
    node = Node(op, operands, attributes, result_types=[None] * count)
    types = infer(node, opset, DimSource())
    assert len(types) == count
    for result, value_type in zip(node.results, types, strict=True):
        result.value_type = value_type
    propagate(node, opset)
    return node


def model_of(node: Node, opset: int) -> Model:
    inputs = list(dict.fromkeys(v for v in node.operands if v is not None and v.const is None))
    for index, value in enumerate(inputs):
        value.name = f"x{index}"
    # The runtime is to find the shapes itself, so the file does not tell them.
    outputs = []
    for index, result in enumerate(node.results):
        result.name = f"y{index}"
        if isinstance(result.value_type, TensorType):
            result.value_type = TensorType(result.dtype)
        outputs.append(result)
    entries = [onnx.helper.make_opsetid("", opset)]
    version = onnx.helper.find_min_ir_version_for(entries)
    model = Model(Block(inputs, [node], outputs), {"": opset}, ir_version=max(version, 4))
    assign_names(model)
    return model


def compare(
    found: ValueType, symbolic: tuple[Dim, ...] | None, actual: Any, sizes: Mapping[str, int], loose: int
) -> None:
    """Check one result's type, the hints in it and its contents against what the runtime gave."""
    assert isinstance(found, TensorType)
    assert found.dtype is not None
    assert found.dtype.numpy == actual.dtype
    if found.shape is None:
        assert loose < 0, "unknown rank"
        return
    numbers = [evaluated(dim, sizes) for dim in found.shape]
    assert len(numbers) == actual.ndim, f"{found} against {actual.shape}"
    assert all(a in (None, b) for a, b in zip(numbers, actual.shape, strict=True)), f"{found} against {actual.shape}"
    assert numbers.count(None) <= abs(loose), f"{found} against {actual.shape}"
    if sizes is SIZES[0]:
        hints = [None if isinstance(dim, int) else dim.hint for dim in found.shape]
        assert all(a in (None, b) for a, b in zip(hints, actual.shape, strict=True)), f"hints {hints}: {actual.shape}"
    if symbolic is not None:
        assert [evaluated(dim, sizes) for dim in symbolic] == actual.reshape(-1).tolist()


class Oracle:
    """Compares the rules with a runtime."""

    def check(
        self,
        opset: int,
        op: str,
        operands: Sequence[Any],
        attributes: Mapping[str, Any] | None = None,
        results: int = 1,
        *,
        loose: int = 0,
        known: bool = False,
        sizes: Sequence[Mapping[str, int]] = SIZES,
        reference: bool = False,
    ) -> None:
        """Infer with symbolic and with static sizes, run with two assignments of sizes, compare.

        Args:
            opset: the opset.
            op: the operator.
            operands: written as data.
            attributes: the attributes.
            results: how many results to ask for.
            loose: how many sizes of a symbolic result may be unknown; negative: the rank, too.
            known: whether the first result's elements must be known by formula.
            sizes: assignments to run with.
            reference: whether onnx's reference is asked because ONNX Runtime has no kernel.
        """
        attributes = attributes or {}
        # ONNX Runtime's newest kernels for these are of opset 25.
        reference = reference or (opset > 26 and op in {"QuantizeLinear", "DequantizeLinear"})
        symbolic = inferred(op, [operand_of(o, None) for o in operands], attributes, results, opset)
        found = [(result.value_type, result.symbolic) for result in symbolic.results]
        assert not known or found[0][1] is not None
        for assignment in sizes:
            rng = np.random.default_rng(0)
            static = inferred(op, [operand_of(o, assignment) for o in operands], attributes, results, opset)
            types = [(result.value_type, result.symbolic) for result in static.results]
            arrays = [array_of(o, assignment, rng) for o in operands if isinstance(o, tuple)]
            actual = run(model_of(static, opset), {f"x{i}": a for i, a in enumerate(arrays)}, reference)
            for (value_type, contents), (static_type, numbers), array in zip(found, types, actual, strict=True):
                compare(value_type, contents, np.asarray(array), assignment, loose)
                compare(static_type, numbers, np.asarray(array), assignment, loose)

    def check_graph(
        self,
        opset: int,
        specs: Sequence[Any],
        make: Any,
        *,
        expected: str,
        sizes: Sequence[Mapping[str, int]] = SIZES,
        fixed: Sequence[Any] = (),
    ) -> None:
        """Like :meth:`check` for several nodes.

        Args:
            opset: the opset.
            specs: the inputs, written as data.
            make: takes a :class:`Nodes` and the inputs and gives the output.
            expected: the output's symbolic type, with ``?`` for unknown sizes.
            sizes: assignments to run with.
            fixed: arrays for the last inputs.
        """
        outputs = []
        for assignment in (None, *sizes):
            nodes = Nodes(opset)
            inputs = [operand_of(spec, assignment) for spec in specs]
            outputs.append(make(nodes, *inputs))
            if assignment is None:
                assert re.sub(r"\?\d+", "?", str(outputs[0].value_type)) == expected
                continue
            rng = np.random.default_rng(0)
            arrays = [array_of(spec, assignment, rng) for spec in specs[: len(specs) - len(fixed)]]
            model = nodes.model(inputs, outputs[-1])
            found = (outputs[0].value_type, outputs[-1].value_type)
            (actual,) = run(model, {f"x{i}": a for i, a in enumerate([*arrays, *fixed])}, False)
            for value_type in found:
                if isinstance(value_type, SequenceType):
                    for element in actual:
                        compare(value_type.element, None, element, assignment, 9)
                else:
                    compare(value_type, None, np.asarray(actual), assignment, -9)


class Nodes:
    """A block in the making whose values have the types that the rules give them."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.dims = DimSource()
        self.nodes: list[Node] = []

    def __call__(self, op: str, operands: Sequence[Any], results: int = 1, **attributes: Any) -> Any:
        values = [Value.of(o) if isinstance(o, np.ndarray | np.generic) else o for o in operands]
        node = Node(op, values, attributes, result_types=[None] * results)
        for result, value_type in zip(node.results, infer(node, self.opset, self.dims), strict=True):
            result.value_type = value_type
        propagate(node, self.opset)
        self.nodes.append(node)
        return node.result if results == 1 else node.results

    def block(self, inputs: Sequence[Value], make: Any) -> Block:
        inner = Nodes(self.opset)
        inner.dims = self.dims
        outputs = make(inner, *inputs)
        return Block(inputs, inner.nodes, outputs, "body")

    def model(self, inputs: Sequence[Value], output: Value) -> Model:
        for index, value in enumerate(inputs):
            value.name = f"x{index}"
        entries = [onnx.helper.make_opsetid("", self.opset)]
        version = onnx.helper.find_min_ir_version_for(entries)
        model = Model(Block(inputs, self.nodes, [output]), {"": self.opset}, ir_version=max(version, 4))
        assign_names(model)
        return model


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()


#: Opsets to try; of those at which an operator is the same only the first and the newest are taken.
OPSETS = (7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28)


def opsets_of(op: str, first: int, last: int) -> list[int]:
    chosen: dict[int, int] = {}
    for opset in OPSETS:
        if not first <= opset <= last:
            continue
        try:
            schema = onnx.defs.get_schema(op, opset)
        except onnx.defs.SchemaError:
            continue
        if not schema.deprecated:
            chosen.setdefault(schema.since_version, opset)
            newest = opset
    return sorted({*chosen.values(), newest}) if chosen else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spread a module's CASES, ``name: (operator, operands, attributes, options)``, over the opsets.

    Of the options ``first`` and ``last`` limit the opsets; the others go to :meth:`Oracle.check`.
    """
    if "case" not in metafunc.fixturenames:
        return
    parameters = []
    for name, (op, operands, *rest) in metafunc.module.CASES.items():
        attributes = rest[0] if rest else {}
        options = dict(rest[1]) if len(rest) > 1 else {}
        opsets = opsets_of(op, options.pop("first", 7), options.pop("last", 99))
        assert opsets, f"{name}: no opset has {op}"
        parameters += [pytest.param((n, op, operands, attributes, options), id=f"{name}-{n}") for n in opsets]
    metafunc.parametrize("case", parameters)
