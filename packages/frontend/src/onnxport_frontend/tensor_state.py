"""What each variable of a graph stands for while the graph is made functional."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnxport_ir.captured import Arg, CapturedGraph, Enumeral, Eqn, TensorLiteral, Var, arg_vars
from onnxport_ir.dtypes import DType
from onnxport_ir.errors import Place, UnsafeMutation
from onnxport_ir.types import AnyType, OptionalType, ScalarType, SequenceType, TensorType, TupleType

from onnxport_frontend._torch_private import write_count
from onnxport_frontend.aliasing import is_pointwise
from onnxport_frontend.emitting import Emitter, tensor_type
from onnxport_frontend.result_types import result_dtype
from onnxport_frontend.storage import Base, Handle, Memory, Owner, Region, Spoiled, group, tracked
from onnxport_frontend.torch_types import TorchTensor
from onnxport_frontend.views import CONTIGUOUS, PRESERVE


class TensorState:
    """The variables' tensors, and the block under construction.

    Attributes:
        memory: the content of all tensors.
        made: equations made here, or views: they can go if nobody uses them.
        emit: adds equations to the block under construction.
        mutated: the first write to each input and parameter.
    """

    def __init__(self, graph: CapturedGraph, strided: Iterable[Var], memory: Memory) -> None:
        self.memory = memory
        self.made: set[Eqn] = set()
        self.emit = Emitter([], self.made)
        self.mutated: dict[Owner, Place] = {}
        self._stored = {*(item.var for item in graph.inputs), *(item.var for item in graph.params)}
        self._strided = set(strided)
        self._handles: dict[Owner, Handle] = {}
        self._tuples: dict[Var, tuple[tuple[Arg, ...], Eqn]] = {}
        self._depths: dict[Var, int] = {}
        self._dtypes: dict[Var, DType] = {}

    def define(self, variables: Sequence[Var]) -> None:
        """Note variables that the current block defines, with memory of their own."""
        if self.memory.depth:
            for var in variables:
                self._depths[var] = self.memory.depth
                self._handles.pop(var, None)

    def bind(self, var: Var, handle: Handle) -> None:
        """Let a variable be a tensor object that exists."""
        self.define((var,))
        self._handles[var] = handle

    def bind_region(self, var: Var, region: Region) -> None:
        """Let a variable be a new tensor object for memory that exists."""
        self.bind(var, Handle(region, self.memory.depth))

    def bind_opaque(self, var: Var, value: Arg) -> None:
        """Let a list of views be a list of its own, which may share memory with what it was made from."""
        before = self.handle(var).region.base
        region = self.memory.new_base(var, self.memory.depth, is_contiguous=False)
        region.value = value
        self._handles[var] = Handle(region, self.memory.depth)
        self.memory.relate(region.base, before)

    def bind_tuple(self, eqn: Eqn, items: tuple[Arg, ...]) -> None:
        """Let the result of ``eqn`` be a tuple of ``items``, given as variables of the graph that is read."""
        self.define(eqn.outputs)
        self._tuples[eqn.outputs[0]] = items, eqn

    def tuple_items(self, arg: Arg) -> tuple[Arg, ...] | None:
        """The items of a tuple whose construction was seen."""
        if isinstance(arg, tuple):
            return arg
        return self._tuples[arg][0] if isinstance(arg, Var) and arg in self._tuples else None

    def handle(self, owner: Owner) -> Handle:
        """The tensor object of a variable or constant; made if nothing was known of it before."""
        found = self._handles.get(owner)
        if found is None:
            depth = self._depths.get(owner, 0) if isinstance(owner, Var) else 0
            dtype = self._dtypes.get(owner) if isinstance(owner, Var) else None
            region = self.memory.new_base(owner, depth, is_contiguous=owner not in self._strided)
            if dtype is not None:
                region.type = TensorType(dtype, region.tensor_type.shape)
            found = self._handles[owner] = Handle(region, depth)
            if isinstance(owner, Var) and owner in self._tuples:
                for base in self.bases(self._tuples[owner][0]):
                    self.memory.relate(region.base, base)
        return found

    def bases(self, args: Iterable[Arg]) -> list[Base]:
        """The memory of the tensors in some arguments."""
        owners = [owner for arg in args for owner in owners_of(arg) if is_tracked(owner)]
        return [self.handle(owner).region.base for owner in owners]

    def is_contiguous(self, arg: Arg) -> bool:
        """Whether all tensors in an argument are known to lie contiguously in memory."""
        for owner in owners_of(arg):
            known = self._handles.get(owner)
            if owner in self._strided if known is None else not known.region.is_contiguous:
                return False
        return True

    def resolve(self, arg: Arg, *, checked: bool = True) -> Arg:
        """What an argument is at present, in the graph under construction.

        Raises:
            UnsafeMutation: if the content of a tensor is not known.
        """
        if isinstance(arg, tuple):
            items = tuple([self.resolve(item, checked=checked) for item in arg])
            return arg if all(new is old for new, old in zip(items, arg, strict=True)) else items
        if not isinstance(arg, Var | TensorLiteral):
            return arg
        known = self._handles.get(arg)
        if known is not None:
            return self.memory.read(known.region, self.emit, checked=checked)
        if isinstance(arg, Var) and arg in self._tuples:
            return self._resolve_tuple(arg)
        return arg

    def _resolve_tuple(self, var: Var) -> Var:
        items, eqn = self._tuples[var]
        values = tuple(self.resolve(item) for item in items)
        if all(new is old for new, old in zip(values, eqn.args, strict=True)):
            return var
        out = Var(var.type, var.hint)
        self.emit.add(Eqn(eqn.op, values, eqn.names, (out,), place=eqn.place))
        return out

    def resolve_all(self, args: Sequence[Arg]) -> tuple[Arg, ...]:
        """What arguments are at present; ``args`` itself if nothing has changed."""
        values = tuple([self.resolve(arg) for arg in args])
        return tuple(args) if all(new is old for new, old in zip(values, args, strict=True)) else values

    def emit_resolved(self, eqn: Eqn, args: tuple[Arg, ...]) -> Eqn:
        """Add an equation of the original graph with its arguments as they are now, and define its results."""
        changed = any(new is not old for new, old in zip(args, eqn.args, strict=True))
        result = Eqn(eqn.op, args, eqn.names, eqn.outputs, eqn.blocks, eqn.place) if changed else eqn
        self.emit.eqns.append(result)
        self.define(eqn.outputs)
        self._note_dtype(eqn)
        contiguous = _is_contiguous_result(eqn) and all(self.is_contiguous(arg) for arg in eqn.args)
        for out in eqn.outputs:
            (self._strided.discard if contiguous else self._strided.add)(out)
        return result

    def _note_dtype(self, eqn: Eqn) -> None:
        """Work out the element type of a result that has none."""
        out = eqn.outputs[0] if eqn.outputs else None
        if out is not None and isinstance(out.type, TensorType) and out.type.dtype is None:
            dtype = result_dtype(eqn, self.dtype_of)
            if dtype is not None:
                self._dtypes[out] = dtype

    def dtype_of(self, arg: Arg) -> DType | None:
        """The element type of a tensor, where it is known."""
        if not isinstance(arg, Var | TensorLiteral):
            return None
        known = self._handles.get(arg)
        if known is not None:
            return known.region.tensor_type.dtype
        return tensor_type(arg).dtype or (self._dtypes.get(arg) if isinstance(arg, Var) else None)

    def add_outputs(self, before: Eqn, after: Eqn) -> None:
        """Add an equation with blocks in place of ``before``, and define its results, of which it may have more."""
        self.emit.eqns.append(after)
        self.emit.added[after] = len(before.outputs)
        self.define(after.outputs)

    def set_strided(self, var: Var, strided: bool) -> None:
        """Note whether a variable may lie in memory in another order than its elements' order."""
        (self._strided.add if strided else self._strided.discard)(var)

    def set_dtype(self, var: Var, dtypes: Iterable[DType | None]) -> None:
        """Note the element type of a variable that is one of several tensors, if it is the same for all."""
        found = set(dtypes)
        if len(found) == 1 and isinstance(var.type, TensorType) and var.type.dtype is None:
            dtype = found.pop()
            if dtype is not None:
                self._dtypes[var] = dtype

    def relate(self, outputs: Sequence[Var], args: Iterable[Arg]) -> None:
        """Note that results may share memory with arguments."""
        bases = self.bases([*outputs, *args])
        for other in bases[1:] if self.bases(outputs) else ():
            self.memory.relate(bases[0], other)

    def write(self, region: Region, value: Arg, what: str) -> None:
        """Make ``value`` the content of a region.

        Raises:
            UnsafeMutation: if the write cannot be carried to the tensors that share the memory.
        """
        self.memory.write(region, value, self.emit, what)
        self.note_write(region.base)

    def note_write(self, base: Base) -> None:
        """Remember a write if it is to an input or a parameter.

        Raises:
            UnsafeMutation: if it is to a constant that the model wrote to while it was traced.
        """
        for one in tracked(base):
            if one.owner in self._stored:
                self.mutated.setdefault(one.owner, self.emit.place)
        if any(_is_written_constant(other.owner) for other in group(base)):
            raise UnsafeMutation(
                "the model writes to a constant tensor",
                why="a trace keeps the constant itself, which now holds what was written, not what it began with",
                where=self.emit.place,
                hint="Write to a copy: torch.tensor(...).clone().",
            )

    def spoil(self, base: Base, what: str, why: str) -> None:
        """Note that a tensor's content is not known any more; reading it is an error."""
        self.memory.spoil(base, Spoiled(what, why, self.emit.place))


def _is_written_constant(owner: Owner) -> bool:
    ref = owner.tensor if isinstance(owner, TensorLiteral) else None
    return isinstance(ref, TorchTensor) and write_count(ref.tensor) not in (0, None)


def owners_of(arg: Arg) -> list[Owner]:
    """The variables and constant tensors in an argument."""
    if isinstance(arg, TensorLiteral):
        return [arg]
    if isinstance(arg, tuple):
        return [owner for item in arg for owner in owners_of(item)]
    return list(arg_vars(arg))


def is_tracked(owner: Owner) -> bool:
    """Whether a variable is a tensor or can hold one."""
    return isinstance(owner, TensorLiteral) or _can_hold_tensor(owner.type)


def _can_hold_tensor(kind: AnyType) -> bool:
    match kind:
        case ScalarType():
            return False
        case SequenceType() | OptionalType():
            return _can_hold_tensor(kind.element)
        case TupleType():
            return any(_can_hold_tensor(element) for element in kind.elements)
        case _:
            return True


def _is_contiguous_result(eqn: Eqn) -> bool:
    """Whether contiguous arguments give contiguous results."""
    if "memory_format" in eqn.names:
        wanted = eqn.args[eqn.names.index("memory_format")]
        if wanted is not None and not (isinstance(wanted, Enumeral) and wanted.value in (CONTIGUOUS, PRESERVE)):
            return False
    return eqn.op.base in CONTIGUOUS_RESULTS or is_pointwise(eqn.op)


CONTIGUOUS_RESULTS = (
    frozenset({"aten::zeros", "aten::ones", "aten::full", "aten::empty", "aten::arange", "aten::linspace", "aten::eye"})
    | {"aten::rand", "aten::randn", "aten::randint", "aten::randperm", "aten::scalar_tensor", "prim::NumToTensor"}
    | {"aten::new_zeros", "aten::new_ones", "aten::new_full", "aten::new_empty", "aten::tensor"}
    | {"aten::zeros_like", "aten::ones_like", "aten::full_like", "aten::empty_like", "aten::rand_like"}
    | {"aten::clone", "aten::to", "aten::type_as", "aten::cat", "aten::concat", "aten::stack", "aten::repeat"}
    | {"aten::linear", "aten::addmm", "aten::mm", "aten::bmm", "aten::embedding", "aten::dropout"}
    | {"aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::_convolution", "aten::convolution"}
    | {"aten::batch_norm", "aten::layer_norm", "aten::group_norm", "aten::softmax", "aten::log_softmax"}
    | {"aten::max_pool2d", "aten::avg_pool2d", "aten::adaptive_avg_pool2d", "aten::sum", "aten::mean"}
    | {"aten::amax", "aten::amin", "aten::cumsum", "aten::cumprod", "aten::gather", "aten::where"}
    | {"aten::masked_fill", "aten::masked_scatter", "aten::index_put", "aten::scatter", "aten::scatter_add"}
    | {"aten::select_scatter", "aten::slice_scatter", "aten::diagonal_scatter", "aten::tril", "aten::triu"}
)
