"""All uses of torch that torch does not document; each says why there is no public way.

Each was tried on torch 2.13, with the tests of this package.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import _C
from torch.onnx._internal.exporter import _flags

# The classes of TorchScript's graphs have no public names, and their stubs lack most methods: hence Any for nodes,
# values and types, which only inline.py, schema.py and value_types.py handle.
Graph = Any
Block = Any
Node = Any
Value = Any
JitType = Any
FunctionSchema = Any

OpOverload = torch._ops.OpOverload
"""One overload of an operator, as a graph of ``torch.fx`` calls it; of ``torch.ops`` the classes are not public."""


@contextlib.contextmanager
def onnx_export_flag() -> Iterator[None]:
    """Make ``torch.onnx.is_in_onnx_export()`` true; the caller holds the tracing lock.

    The flag behind it can be set by nothing public, and it is one for the whole process.
    """
    before = _flags._is_onnx_exporting
    _flags._is_onnx_exporting = True
    try:
        yield
    finally:
        _flags._is_onnx_exporting = before


def is_exporting() -> bool:
    """What ``torch.onnx.is_in_onnx_export()`` says; documented, but in ``torch.onnx``."""
    return bool(torch.onnx.is_in_onnx_export())


def is_script_object(model: object) -> bool:
    """Whether ``model`` is TorchScript already: a module or a function."""
    return isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction))


def cpp_module(module: Any) -> Any:
    """The module's C++ object, whose ``getattr`` gives submodules without making a Python module of each."""
    return module._c


def is_cpp_module(value: object) -> bool:
    """Whether an attribute of a C++ module is a submodule; the class has no public name."""
    return isinstance(value, _C.ScriptModule)


def method_graph(module: Any, name: str) -> Graph:
    """The graph of a method that is not inlined: it still calls the submodules' methods.

    ``ScriptModule.graph`` is documented, but only for the top and for ``forward``.
    """
    graph: Graph = module._get_method(name).graph
    return graph


def attributes_set(module: Any) -> set[str]:
    """The names of the attributes that a script module's own methods set; nothing public lists what a graph does."""
    names = module._c._method_names()
    return {node.s("name") for name in names for node in method_graph(module._c, name).findAllNodes("prim::SetAttr")}


def function_graph(function: Any) -> Graph:
    """The graph of a ``ScriptFunction``, as it was compiled; the class is public, this attribute is not documented."""
    graph: Graph = function.graph
    return graph


def callee_graph(call: Node) -> Graph:
    """The body of a ``prim::CallFunction`` or of a ``prim::CallMethod`` on an object, with one input per argument.

    What is called can only be reached through the type of the first input, which Python cannot open. So a graph with
    nothing but this call is made, and torch inlines it, with the functions that it calls in turn.
    """
    graph: Graph = _C.Graph()
    args, values = inputs_of(call), []
    if call.kind() == "prim::CallFunction":
        values.append(graph.insertNode(graph.createClone(args.pop(0).node(), _no_inputs)).output())
    for arg in args:
        value = graph.addInput()
        value.setType(arg.type())
        values.append(value)
    clone = graph.insertNode(graph.create(call.kind(), values, call.outputsSize()))
    if call.kind() == "prim::CallMethod":
        clone.s_("name", call.s("name"))
    for output, original in zip(outputs_of(clone), outputs_of(call), strict=True):
        output.setType(original.type())
        graph.registerOutput(output)
    _C._jit_pass_inline(graph)
    return graph


def class_of(value: Value) -> str:
    """The qualified name of the class of an object in a graph."""
    return str(value.type().qualified_name())


def _no_inputs(value: Value) -> Value:
    raise LookupError(f"a constant has no inputs, this one reads {value.debugName()}")


def inputs_of(node: Node) -> list[Value]:
    """The inputs of a node. ``node.inputs()`` makes an iterator, which costs three times what all of this does."""
    return [node.inputsAt(index) for index in range(node.inputsSize())]


def outputs_of(node: Node) -> list[Value]:
    """The outputs of a node, as :func:`inputs_of` gives the inputs."""
    return [node.outputsAt(index) for index in range(node.outputsSize())]


def calls_any(graph: Graph, kinds: frozenset[str]) -> bool:
    """Whether a node of one of these kinds is in a graph, its blocks, or what it calls."""
    inlined: Graph = graph.copy()
    _C._jit_pass_inline(inlined)
    return any(inlined.findNode(kind, True) is not None for kind in sorted(kinds))


def parse_schema(text: str) -> FunctionSchema:
    """Read an operator's schema as a node prints it. Nodes give it as text only."""
    return _C.parse_schema(text)


@contextlib.contextmanager
def without_mha_fastpath() -> Iterator[None]:
    """Keep attention layers from taking their fused inference kernels, which exist for no other runtime.

    ``set_fastpath_enabled`` is public but is one setting for the process; the caller holds the tracing lock.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def without_autocast_cache() -> Iterator[None]:
    """Let autocast cast weights anew each time: a cast cached before the trace would have no node in it."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


def trace(
    model: torch.nn.Module, function: Callable[..., tuple[torch.Tensor, ...]], examples: tuple[torch.Tensor, ...]
) -> torch.jit.ScriptModule:
    """A TorchScript module of ``model`` whose ``forward`` is what ``function``, which calls it, does for ``examples``.

    ``torch.jit.trace`` passes positional tensors and takes few kinds of results. A module of ours around the model,
    which would hide that, costs as much again as the trace: every node is lifted through one level of modules more.
    Hence its steps, without its check, its names for values and its copy of the inputs. The caller holds the tracing
    lock, because the map from modules to scopes is a global of torch's.
    """
    jit = torch.jit._trace
    before = jit._trace_module_map
    scopes: dict[Any, Any] = {"__module": model}
    waiting = [(model, "__module")]
    while waiting:
        parent, prefix = waiting.pop()
        for name, child in parent.named_children():
            scopes[child] = f"{prefix}.{name}"
            waiting.append((child, scopes[child]))
    jit._trace_module_map = scopes
    try:
        unit = _C.CompilationUnit()
        traced: torch.jit.ScriptModule = jit.make_module(model, jit.TopLevelTracedModule, unit)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        cpp_module(traced)._create_method_from_trace("forward", function, examples, _unnamed, False, False, [], False)
    finally:
        jit._trace_module_map = before
    return traced


def _unnamed(_: torch.Tensor) -> str:
    """No name for a value; torch would search the local variables of all frames for one."""
    return ""


def write_count(tensor: torch.Tensor) -> int | None:
    """How often the tensor was written to; None for tensors that do not count (made in inference mode)."""
    return None if tensor.is_inference() else tensor._version


def argument_kind(argument: Any) -> tuple[str, bool]:
    """The type of a schema's argument without optional and list, and whether it is a list.

    It is read from ``real_type``, which says ``ScalarType`` where ``type`` says only int.
    """
    kind, is_list = argument.real_type, False
    while kind.kind() in ("OptionalType", "ListType"):
        is_list = is_list or kind.kind() == "ListType"
        kind = kind.getElementType()
    return str(kind), is_list


def is_write(argument: Any) -> bool:
    """Whether the operator writes to the argument."""
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


# Composite operators carry no tag; these pass on what an operator with the tag gives, or count elements.
_DYNAMIC_SHAPE = frozenset(
    {
        "aten::_pack_padded_sequence",
        "aten::_pad_packed_sequence",
        "aten::bincount",
        "aten::masked_select",
        "aten::nonzero_numpy",
        "aten::one_hot",
        "aten::pad_sequence",
        "aten::repeat_interleave",
        "aten::tensor_split.tensor_indices_or_sections",
        "aten::unique_dim",
    }
)


def has_dynamic_shape(namespace: str, name: str, overload: str) -> bool:
    """Whether an operator's result has a shape that depends on elements, by its tags; all of other libraries may."""
    base = f"{namespace}::{name}"
    if base in _DYNAMIC_SHAPE or f"{base}.{overload}" in _DYNAMIC_SHAPE:
        return True
    if namespace not in ("aten", "prim"):
        return True
    packet = getattr(getattr(torch.ops, namespace), name, None)
    operator = getattr(packet, overload or "default", None)
    return torch.Tag.dynamic_output_shape in getattr(operator, "tags", ())


# torch.conv2d and the like call two of these, and a trace has them alone; torch.split makes a number of its argument.
_functions: Any = torch._VF
convolution, convolution_mode, split = _functions._convolution, _functions._convolution_mode, _functions.split
# The C++ of this one decides which sequence is longest.
pad_sequence: Any = _C._nn.pad_sequence
# The modules and names of functions that take no trace, for refusals.py, and what the second one is made of.
CHECK, FUNCTIONAL_CALL = (torch, "_check_with"), (torch.nn.utils.stateless, "_functional_call")
reparametrized = torch.nn.utils.stateless._reparametrize_module


# --- schemas of operators, for aliasing.py ----------------------------------------------------------------------


def operator_schemas(name: str) -> list[FunctionSchema]:
    """The schemas of all overloads of ``namespace::name``, with their alias annotations.

    ``torch.ops`` lacks what only the script language has (``aten::append.t``) and has no public alias facts.
    """
    return list(_C._jit_get_schemas_for_operator(name))


@contextlib.contextmanager
def followed_functions(keeps: Callable[[type], bool]) -> Iterator[None]:
    """Let calls of ``autograd.Function`` be calls of its ``forward``, but for the classes that ``keeps`` says.

    A trace has such a call as one node, and what ``forward`` did twice: as the node's body, whose outputs stand in the
    order in which they were computed, not in that of the results; and behind the node, where what writes to a tensor
    is left in the graph. ``apply`` of user's classes is often held by other names, all of which end in this class's.
    Other threads' calls go on as ever. The caller holds the tracing lock.
    """
    base: Any = torch.autograd.function._SingleLevelFunction
    thread = threading.get_ident()

    def apply(cls: Any, *args: Any) -> Any:
        if threading.get_ident() != thread or keeps(cls):
            return super(base, cls).apply(*args)
        context = cls._backward_cls()
        context.needs_input_grad = tuple(isinstance(arg, torch.Tensor) and arg.requires_grad for arg in args)
        with torch.no_grad():
            if cls.setup_context == base.setup_context:
                return cls.forward(context, *args)
            result = cls.forward(*args)
            cls.setup_context(context, args, result)
            return result

    # The class of C has ``apply``; a method of the same name here comes first, and may be there from an outer use.
    outer = vars(base).get("apply")
    base.apply = classmethod(apply)
    try:
        yield
    finally:
        if outer is None:
            del base.apply
        else:
            base.apply = outer


def python_op_scalars(node: Node) -> list[Any]:
    """The arguments of a call of ``autograd.Function`` that are no tensors."""
    return list(node.scalar_args())


def python_op_body(node: Node) -> Graph | None:
    """What the ``forward`` of an ``autograd.Function`` did, where the tracer has kept it."""
    return node.g("Subgraph") if node.hasAttribute("Subgraph") else None


def is_left_to_python(node: Node) -> bool:
    """Whether a call of Python is none of an ``autograd.Function``: one that the compiler was told to leave out."""
    return not isinstance(getattr(node.pyobj(), "__self__", None), type)


def python_op_class(node: Node) -> type:
    """The subclass of ``autograd.Function`` that was called; the node holds its bound ``apply``."""
    function: type = node.pyobj().__self__
    return function


def schema_of(model: Any) -> FunctionSchema:
    """The schema of a script module's ``forward`` or of a script function."""
    schema: FunctionSchema = (
        model._c._get_method("forward").schema if isinstance(model, torch.jit.ScriptModule) else model.schema
    )
    return schema


def original_name(model: Any) -> str | None:
    """The class that a script module was made of, with its Python module; None for any other model.

    The name is mangled: ``__torch__.package.module.___torch_mangle_3.Class``.
    """
    if isinstance(model, torch.jit.ScriptFunction):
        return str(model.qualified_name).removeprefix("__torch__.")
    if not isinstance(model, torch.jit.ScriptModule) or not hasattr(model, "_c"):
        return None
    parts = model._c.qualified_name.split(".")
    return ".".join(part for part in parts if part != "__torch__" and not part.startswith("___torch_mangle"))


#: Where the methods of tensors are that are written in Python; the module has no public name.
TENSOR_FILE = str(torch._tensor.__file__)

#: What torch warns with while it traces; exported from ``torch.jit`` without being documented there.
TracerWarning: type[Warning] = torch.jit._trace.TracerWarning


def keep_in_trace(tensor: torch.Tensor) -> None:
    """Make a tensor that the model returns known to the trace, as a constant if nothing else: it refuses others.

    Called while tracing; for a tensor that has a value in the trace nothing changes.
    """
    tracer: Any = _C  # the stubs leave these two out
    tracer._set_value_trace(tensor, tracer._get_value_trace(tensor))


def remembered_value(tensor: torch.Tensor) -> Callable[[], None]:
    """What makes the value that a tensor has in the trace now its value again; nothing if there is no trace."""
    tracer: Any = _C  # the stubs leave these three out
    if tracer._get_tracing_state() is None:
        return lambda: None
    value = tracer._get_value_trace(tensor)
    return lambda: tracer._set_value_trace(tensor, value)


def is_tracing() -> bool:
    """Whether this thread is in a trace; ``torch.jit.is_tracing`` is documented and costs three times as much."""
    tracer: Any = _C  # the stubs leave it out
    return tracer._get_tracing_state() is not None


def is_constant_in_trace(tensor: torch.Tensor) -> bool:
    """Whether the trace knows a tensor as a constant, or as a copy of one; called while tracing."""
    tracer: Any = _C  # as above
    node = tracer._get_value_trace(tensor).node()
    while node.kind() in ("aten::detach", "aten::to", "aten::clone", "aten::lift_fresh", "aten::alias"):
        node = node.inputsAt(0).node()
    return bool(node.kind() == "prim::Constant")


def mark_in_trace(tensor: torch.Tensor, text: str) -> bool:
    """Leave a node in the trace that reads a tensor: a print of ``text``, which is the one kind that takes anything.

    Returns:
        False if the trace cannot refer to the tensor.
    """
    tracer: Any = _C  # as above
    graph = tracer._get_tracing_state().graph()
    try:
        value = tracer._get_value_trace(tensor)
    except RuntimeError:  # a tensor with a gradient that is none of the model's
        return False
    graph.insertNode(graph.create("prim::Print", [graph.insertConstant(text), value], 0))
    return True


def registered_schemas() -> list[FunctionSchema]:
    """The schemas of all operators that TorchScript knows; there is no public list. Tried on torch 2.13."""
    return list(torch._C._jit_get_all_schemas())


# --- decompositions, for decompose.py; make_fx is documented, what it needs for dynamic sizes is not -------------

#: Functions that do what operators do, by operator.
Decompositions = dict[Any, Callable[..., Any]]


def overload_of(namespace: str, name: str, overload: str) -> Any | None:
    """The operator, if ``torch.ops`` has it."""
    packet = getattr(getattr(torch.ops, namespace, None), name, None)
    return getattr(packet, overload or "default", None)


def decompositions(keeps: Callable[[str, str, str], bool]) -> Decompositions:
    """How torch expresses operators in others.

    Args:
        keeps: whether an operator, by namespace, name and overload, is to stay as it is.
    """
    from torch._decomp import decomposition_table  # noqa: PLC0415 - only models that need it pay for the import

    def goes(operator: Any) -> bool:
        # What writes is kept: its functional form is found where all writes are resolved.
        if not isinstance(operator, torch._ops.OpOverload) or operator._schema.is_mutable:
            return False
        namespace, name = operator._schema.name.split("::")
        return not keeps(namespace, name, operator._schema.overload_name)

    found = {operator: function for operator, function in decomposition_table.items() if goes(operator)}
    for text in _C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd"):
        namespace, _, rest = text.partition("::")
        name, _, overload = rest.partition(".")
        operator = overload_of(namespace, name, overload) if namespace == "aten" else None
        if operator is not None and operator not in found and goes(operator):
            found[operator] = operator.decompose
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class ExampleTensor:
    """A tensor to trace a decomposition with: element type, sizes, and which of them stay open."""

    dtype: torch.dtype
    sizes: tuple[int, ...]
    dynamic: tuple[bool, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ExampleInt:
    """A number that stays open."""

    value: int


def trace_decomposition(
    function: Callable[..., Any], examples: list[ExampleTensor | ExampleInt], table: Decompositions
) -> torch.fx.GraphModule:
    """What a function of tensors and numbers does, in operators that ``table`` does not have.

    No data is needed: open sizes are symbols, and a size that was decided upon is a number in the graph. The caller
    holds the tracing lock. Tried on torch 2.13.
    """
    from torch._subclasses import FakeTensorMode  # noqa: PLC0415 - only models that need it pay for sympy
    from torch.fx.experimental.proxy_tensor import make_fx  # noqa: PLC0415 - as above
    from torch.fx.experimental.symbolic_shapes import (  # noqa: PLC0415 - as above
        DimDynamic,
        ShapeEnv,
        StatelessSymbolicContext,
    )

    env: Any = ShapeEnv(specialize_zero_one=False, duck_shape=False)
    mode = FakeTensorMode(shape_env=env, allow_non_fake_inputs=True)
    inputs: list[Any] = []
    for index, example in enumerate(examples):
        source = torch._dynamo.source.ConstantSource(f"example{index}")
        if isinstance(example, ExampleInt):
            symbol = env.create_symbol(example.value, source, DimDynamic.DYNAMIC, positive=None)
            inputs.append(env.create_symintnode(symbol, hint=example.value, source=source))
            continue
        dims = [DimDynamic.DYNAMIC if dynamic else DimDynamic.STATIC for dynamic in example.dynamic]
        context: Any = StatelessSymbolicContext(dynamic_sizes=dims)
        tensor = torch.empty(example.sizes, dtype=example.dtype)
        inputs.append(mode.from_tensor(tensor, symbolic_context=context, source=source))
    with torch.no_grad(), mode:
        return make_fx(function, decomposition_table=table, pre_dispatch=True)(*inputs)


def script_class(value: Any) -> str:
    """The class of an object that only TorchScript knows, as its packed weights are."""
    return str(value._type().qualified_name())
