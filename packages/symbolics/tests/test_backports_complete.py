"""Every operator and every change of a schema is dealt with, or listed here with the reason why not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import onnx
import onnxport_symbolics
from onnxport_ir import DType
from onnxport_ir.errors import LoweringError
from onnxport_symbolics.calls import known_backports, known_downgrades
from onnxport_symbolics.carriers import carrier_of
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET, Schema, first_opset, newest_schema, schema_at

#: Operators on texts and the like, which no tensor of torch asks for.
OUT_OF_SCOPE = frozenset(
    {"ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"}
)

_SEQUENCE = "there were no sequences before opset 11"
_OPTIONAL = "there were no optionals before opset 15"

#: Operators that cannot be said with older ones.
NO_BACKPORT = {
    "BitCast": "nothing else looks at the bits of a float",
    "ConcatFromSequence": _SEQUENCE,
    "ConvInteger": "only floats are convolved, and single precision does not hold the sums",
    "Det": "an elimination with a search for the pivot has no operator",
    "MaxUnpool": "writing to computed positions before opset 9 takes a turn of a loop for each element",
    "NonMaxSuppression": "how many boxes are left depends on the boxes",
    "Optional": _OPTIONAL,
    "OptionalGetElement": _OPTIONAL,
    "OptionalHasElement": _OPTIONAL,
    "QLinearConv": "rounding at other places than the operator's would not be exact",
    "QLinearMatMul": "rounding at other places than the operator's would not be exact",
    "RoiAlign": "how many points are sampled depends on the boxes",
    "Scan": "a Loop cannot slice its operands before opset 8 by an axis of unknown size",
    "Scatter": "was replaced by ScatterElements, whose stand-in it is",
    "SequenceAt": _SEQUENCE,
    "SequenceConstruct": _SEQUENCE,
    "SequenceEmpty": _SEQUENCE,
    "SequenceErase": _SEQUENCE,
    "SequenceInsert": _SEQUENCE,
    "SequenceLength": _SEQUENCE,
    "SequenceMap": "no handler calls it: a Loop over a sequence says the same",
    "SplitToSequence": _SEQUENCE,
    "Unique": "how many elements are different depends on the elements",
}

_DEFAULT = "what the new attributes' defaults say was the meaning before; anything else is refused"
_MORE_INPUTS = "the new inputs may be left out; a call with them is refused"

#: Changes for which the emitter's own rules are enough.
GENERIC = {
    ("Attention", 24): _MORE_INPUTS,
    ("Attention", 25): _DEFAULT,
    ("BatchNormalization", 9): "spatial=1, the old default, is the only meaning that is left",
    ("Constant", 11): "sparse_value is refused",
    ("OptionalHasElement", 18): _MORE_INPUTS,
    ("QuantizeLinear", 19): "saturate says something of types that are as young",
    ("Range", 27): "stash_type says something of types that are as young",
}

#: Changes of the meaning alone, which the schema's form does not show.
MEANING = {
    ("Max", 8): "operands are broadcast",
    ("Min", 8): "operands are broadcast",
    ("Sum", 8): "operands are broadcast",
    ("Mean", 8): "operands are broadcast",
    ("Gather", 11): "negative axes and indices",
    ("Concat", 11): "negative axes",
    ("Flatten", 11): "negative axes",
    ("OneHot", 11): "negative axes",
    ("Scan", 11): "negative axes",
    ("Slice", 11): "negative axes",
    ("Squeeze", 11): "negative axes",
    ("Loop", 13): "nothing need be carried",
    ("ScatterElements", 18): "reduction by max and min",
    ("ScatterND", 18): "reduction by max and min",
    ("Pad", 19): "the mode wrap",
    ("Resize", 19): "the coordinates half_pixel_symmetric",
    ("GroupNormalization", 21): "scale and bias of channels",
    ("BitShift", 28): "shifts by the width and more",
    ("Mod", 28): "remainders of floats with the divisor's sign",
}

#: Element types that an older operator lacks and that no wider type stands in for, and what is refused.
REFUSED_TYPES = {
    ("OptionalGetElement", 18): "tensors that are no optionals",
    ("OptionalHasElement", 18): "tensors that are no optionals",
    ("QuantizeLinear", 19): "scales of int32",
}

_CARRIED = frozenset(
    {
        DType.BOOL,
        DType.UINT8,
        DType.INT8,
        DType.UINT16,
        DType.INT16,
        DType.UINT32,
        DType.INT32,
        DType.UINT64,
        DType.INT64,
        DType.FLOAT16,
        DType.FLOAT32,
        DType.FLOAT64,
    }
)


def operators() -> list[str]:
    """ONNX's own operators, those that do not concern us left out."""
    names = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    return sorted(names - OUT_OF_SCOPE)


def versions(op_type: str) -> list[Schema]:
    """The versions of an operator's schema in force from the oldest opset on."""
    found: dict[int, Schema] = {}
    for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1):
        try:
            schema = schema_at(op_type, opset)
        except KeyError:
            continue
        if not schema.deprecated:
            found.setdefault(schema.since, schema)
    return list(found.values())


def changes() -> Iterator[tuple[str, int]]:
    """Operators and opsets where attributes, inputs, outputs or their defaults changed."""
    for op_type in operators():
        known = versions(op_type)
        for older, newer in itertools.pairwise(known):
            same = (
                dict(older.defaults) == dict(newer.defaults)
                and set(older.attributes) == set(newer.attributes)
                and older.required == newer.required
                and [(f.name, f.optional, f.variadic) for f in older.inputs]
                == [(f.name, f.optional, f.variadic) for f in newer.inputs]
                and len(older.outputs) == len(newer.outputs)
            )
            if not same:
                yield op_type, newer.since


def test_importing_the_package_fills_the_tables() -> None:
    assert onnxport_symbolics.Op is not None
    assert len(known_backports()) > 50
    assert len(known_downgrades()) > 50


def test_every_young_operator_has_a_backport_or_a_reason() -> None:
    young = {name for name in operators() if (first_opset(name) or 0) > OLDEST_OPSET}
    assert young - known_backports() == set(NO_BACKPORT)


def test_no_backport_for_what_all_opsets_have() -> None:
    assert all((first_opset(name) or 0) > OLDEST_OPSET for name in known_backports())


def test_every_change_of_attributes_and_inputs_is_dealt_with() -> None:
    downgrades = known_downgrades()
    open_changes = {
        (name, since)
        for name, since in changes()
        if since not in downgrades.get(name, ()) and (name, since) not in GENERIC
    }
    assert open_changes == set()


def test_generic_changes_are_changes_without_a_downgrade() -> None:
    downgrades = known_downgrades()
    assert {change for change in GENERIC if change[1] in downgrades.get(change[0], ())} == set()
    assert set(GENERIC) <= set(changes())


def test_every_change_of_meaning_has_a_downgrade() -> None:
    downgrades = known_downgrades()
    assert {change for change in MEANING if change[1] not in downgrades.get(change[0], ())} == set()


def test_downgrades_stand_where_a_schema_changed() -> None:
    for name, opsets in known_downgrades().items():
        known = {schema.since for schema in versions(name)}
        # GroupNormalization's first version is deprecated, and none of the versions in force.
        assert set(opsets) <= known, name


def test_every_lacking_type_has_a_carrier_a_downgrade_or_a_reason() -> None:
    downgrades = known_downgrades()
    unknown = set()
    for name in operators():
        if (name in NO_BACKPORT and name.startswith("Sequence")) or not versions(name):
            continue
        newest = newest_schema(name)
        for older, newer in itertools.pairwise(versions(name)):
            for formal in newest.inputs:
                position = older.input_index(formal.name)
                later = newer.input_index(formal.name)
                if position is None or later is None:
                    continue
                for dtype in formal.dtypes & newer.inputs[later].dtypes & _CARRIED:
                    try:
                        carrier_of(name, older.inputs[position], dtype, max(older.since, OLDEST_OPSET))
                    except LoweringError:
                        if newer.since not in downgrades.get(name, ()):
                            unknown.add((name, newer.since))
    assert unknown == set(REFUSED_TYPES)
