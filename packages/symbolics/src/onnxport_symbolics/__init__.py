"""onnxport-symbolics: ATen operators in ONNX, for every opset. Needs no torch."""

from onnxport_symbolics import backports, downgrades  # noqa: F401 - importing them fills the tables
from onnxport_symbolics.calls import Call, backport, downgrade
from onnxport_symbolics.lower import lower, refusals
from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import Handler, Registry, Table, aten, default_registry, prim
from onnxport_symbolics.schemas import NEWEST_OPSET, OLDEST_OPSET
from onnxport_symbolics.target import Target

__all__ = [
    "NEWEST_OPSET",
    "OLDEST_OPSET",
    "Call",
    "Handler",
    "Op",
    "Registry",
    "Table",
    "Target",
    "aten",
    "backport",
    "default_registry",
    "downgrade",
    "lower",
    "prim",
    "refusals",
]
