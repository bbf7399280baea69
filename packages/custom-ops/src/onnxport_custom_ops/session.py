"""The custom part of one export: what is registered, what must stay, and what became local functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnxport_ir import Model, OpName, PyObject, TensorLiteral, Value
from onnxport_ir.errors import InvalidArgument, OnnxExporterError, UnsupportedCase, UnsupportedOperator
from onnxport_symbolics import Handler, Op, Registry
from onnxport_symbolics.binder import Lowered, Signature

from onnxport_custom_ops import bridge
from onnxport_custom_ops.arguments import arrange
from onnxport_custom_ops.context import GraphContext, Writer
from onnxport_custom_ops.functions import LocalFunctions
from onnxport_custom_ops.keep import Keeping, keep_function, keep_operator
from onnxport_custom_ops.original import OriginalNode
from onnxport_custom_ops.registrations import SymbolicFunction, registered_for
from onnxport_custom_ops.types import SymbolicType
from onnxport_custom_ops.values import SymbolicValue, Views, python_value

_PYTHON_OP = OpName("prim", "PythonOp")


@dataclass(frozen=True, slots=True)
class _Registered:
    """A symbolic function, and the package that it comes from."""

    function: SymbolicFunction
    origin: str


class _Whole(Signature):
    """Takes the arguments of an equation as they are."""

    def bind(self, op: Op, names: Sequence[str], args: Sequence[Lowered]) -> dict[str, Any]:
        """All names and arguments."""
        return {"names": names, "args": args}


_WHOLE = _Whole({})


class Session:
    """What one export knows of the user's operators.

    Args:
        opset: the opset that it exports to.
        keeping: which operators without a handler stay what they are.
        custom_opsets: the versions of operator domains.

    Raises:
        InvalidArgument: for a version that is none.
    """

    def __init__(
        self, opset: int, keeping: Keeping | None = None, custom_opsets: Mapping[str, int] | None = None
    ) -> None:
        self.opset = opset
        self.keeping = keeping or Keeping()
        self._custom_opsets = _checked_opsets(custom_opsets or {})
        self._functions = LocalFunctions()
        self._classes: Mapping[str, type] = {}
        self._views: Views | None = None
        self._base = Registry([])
        self._registered = {
            name: _Registered(function, f"{_module(function)}, through torch.onnx")
            for name, function in bridge.registered_for(opset).items()
        }
        self._registered |= {
            name: _Registered(function, _module(function)) for name, function in registered_for(opset).items()
        }

    @property
    def registered(self) -> dict[str, str]:
        """Where the symbolic function of each operator comes from."""
        return {name: registered.origin for name, registered in self._registered.items()}

    def keeps_function(self, function: type) -> bool:
        """Whether something stands for calls of an ``autograd.Function``, so that it is not followed."""
        return (
            hasattr(function, "symbolic") or str(_PYTHON_OP) in self._registered or not self.keeping.autograd_inlining
        )

    def registry(self, base: Registry, functions: Mapping[str, type]) -> Registry:
        """A registry with what is registered in front of ``base``.

        Args:
            base: the handlers.
            functions: the classes of ``autograd.Function`` calls, by the name in their equations.
        """
        self._classes = functions
        self._base = base
        return _SessionRegistry(self, base)

    def handler(self, name: OpName) -> Handler | None:
        """The handler that stands in front of all others for an operator, if one does."""
        if name.base == str(_PYTHON_OP):
            return Handler(name, self._call_function, _WHOLE, "onnxport-custom-ops")
        registered = self._registered.get(str(name)) or self._registered.get(name.base)
        if registered is None:
            return self._kept(name) if self.keeping.prefers(name) else None
        call = lambda op, names, args: self._call(registered, name, op, names, args)  # noqa: E731 - a partial of sorts
        return Handler(name, call, _WHOLE, registered.origin)

    def last_resort(self, name: OpName) -> Handler | None:
        """The handler of an operator that has no other: keeps it as a node, if that is asked for."""
        return self._kept(name) if self.keeping.keeps(name) else None

    def _kept(self, name: OpName) -> Handler:
        keep = lambda op, names, args: keep_operator(self.keeping, name, op, names, args)  # noqa: E731 - as above
        return Handler(name, keep, _WHOLE, "onnxport-custom-ops")

    def finish(self, model: Model) -> None:
        """Add local functions, and the versions of domains, to a model that is finished but for its names."""
        self._functions.put_into(model)
        bodies = [(model.graph, model.opset_imports)]
        bodies += [(function.body, function.opset_imports) for function in model.functions.values()]
        for body, imports in bodies:
            for domain in {node.domain: None for node in body.all_nodes() if node.domain}:
                version = self._custom_opsets.get(domain, 1)
                imports.setdefault(domain, version)
                # The model has to import what its functions do.
                model.opset_imports.setdefault(domain, version)

    def _call(
        self, registered: _Registered, name: OpName, op: Op, names: Sequence[str], args: Sequence[Lowered]
    ) -> Lowered:
        views = self._views_of(op)
        values = [views.of(arg) for arg in args]
        original = OriginalNode(name, values, _types(op), op.place)
        given, keywords = arrange(registered.function, name, names, values)
        return self._run(registered, str(name), op, original, given, keywords)

    def _call_function(self, op: Op, names: Sequence[str], args: Sequence[Lowered]) -> Lowered:
        """A call of an ``autograd.Function``, by its own symbolic function or the one for all of them."""
        class_name, *given = args
        function = self._classes[class_name]
        views = self._views_of(op)
        # A tensor is a value; what is none was passed as it is, and arrives as it is.
        arguments = [views.of(arg) if isinstance(arg, Value | TensorLiteral) else _passed(arg) for arg in given]
        values = [arg for arg in arguments if isinstance(arg, SymbolicValue)]
        scalars = [arg for arg in arguments if not isinstance(arg, SymbolicValue)]
        original = OriginalNode(_PYTHON_OP, values, _types(op), op.place, function, scalars)
        own = getattr(function, "symbolic", None)
        if own is not None:
            registered = _Registered(own, function.__module__)
            return self._run(registered, class_name, op, original, arguments, {})
        found = self._registered.get(str(_PYTHON_OP))
        if found is None:
            return keep_function(op, function, arguments)
        attributes = {name: original.s(name) for name in original.attributeNames()}
        return self._run(found, class_name, op, original, values, attributes)

    def _run(
        self,
        registered: _Registered,
        what: str,
        op: Op,
        original: OriginalNode,
        given: Sequence[Any],
        keywords: Mapping[str, Any],
    ) -> Lowered:
        graph = GraphContext(self.opset, original, Writer(op, self._views_of(op), self._functions, self._base))
        name = getattr(registered.function, "__qualname__", repr(registered.function))
        views = self._views_of(op)
        try:
            with bridge.running(self.opset):
                try:
                    result = registered.function(graph, *given, **keywords)
                except bridge.WantsConstant:
                    # Torch's tracer makes constants of buffers that it meets as `.data`; to us they are weights still.
                    views.knows_weights = True
                    result = registered.function(graph, *given, **keywords)
                finally:
                    views.knows_weights = False
        except OnnxExporterError:
            raise
        except Exception as error:  # the user's own code
            kind = type(error).__name__
            raise UnsupportedCase(
                f"the symbolic function {name} of {what} raised {kind}", why=str(error), where=op.place
            ) from error
        if result is None:
            raise UnsupportedOperator(f"the symbolic function {name} of {what} does not convert this call")
        return self._results(op, what, result)

    def _results(self, op: Op, what: str, result: Any) -> Lowered:
        results = list(result) if isinstance(result, tuple | list) else [result]
        lowered = [self._result(what, item) for item in results]
        wanted = len(op.expected)
        if len(lowered) > wanted and all(item is None for item in lowered[wanted:]):
            # A symbolic function may say None of what the operator gives beside its results.
            lowered = lowered[:wanted]
        if len(lowered) == wanted == 1:
            return lowered[0]
        if wanted == 1:
            return tuple(lowered)
        if len(lowered) != wanted:
            raise UnsupportedCase(f"the symbolic function of {what} gives {len(lowered)} of {wanted} results")
        # None is a result that nobody may read: the lowering raises it only where it is used.
        absent = UnsupportedOperator(f"the symbolic function of {what} gives only some of its results")
        return tuple(absent if item is None else item for item in lowered)

    def _result(self, what: str, item: Any) -> Lowered:
        if isinstance(item, SymbolicValue):
            return item.lowered
        if isinstance(item, tuple | list):
            return tuple(self._result(what, inner) for inner in item)
        if item is None or isinstance(item, bool | int | float | Value):
            return item
        raise UnsupportedCase(f"the symbolic function of {what} gives {item!r}, which is no value of the graph")

    def _views_of(self, op: Op) -> Views:
        if self._views is None or self._views.op is not op:
            self._views = Views(op)
        return self._views


class _SessionRegistry(Registry):
    """A registry with a session's symbolic functions in front of it, and its last resort behind it."""

    def __init__(self, session: Session, base: Registry) -> None:
        super().__init__([])
        self._handlers = {handler.name: handler for handler in base}
        self._session = session
        self._base = base

    def find(self, name: OpName) -> Handler | None:
        """The handler of an operator."""
        session = self._session
        return session.handler(name) or self._base.find(name) or session.last_resort(name)


def _module(function: SymbolicFunction) -> str:
    return getattr(function, "__module__", None) or type(function).__module__


def _types(op: Op) -> list[SymbolicType]:
    return [SymbolicType(expected) for expected in op.expected]


def _passed(arg: Lowered) -> Any:
    return arg.value if isinstance(arg, PyObject) else python_value(arg)


def _checked_opsets(custom_opsets: Mapping[str, int]) -> dict[str, int]:
    # The types are what is checked.
    given: list[tuple[object, object]] = list(custom_opsets.items())
    for domain, version in given:
        if not isinstance(domain, str) or domain in ("", "ai.onnx"):
            raise InvalidArgument(
                f"custom_opsets: {domain!r} is no domain of custom operators",
                hint="The version of ONNX's own operators is opset_version.",
            )
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise InvalidArgument(f"custom_opsets: the version {version!r} of {domain!r} is no positive integer")
    return dict(custom_opsets)
