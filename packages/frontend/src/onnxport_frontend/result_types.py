"""Element types of results that a script says nothing of, where they follow from those of the arguments.

Whether ``x.to(torch.float32)`` shares memory with ``x`` depends on the element type of ``x``. A trace knows it of each
value; TorchScript's compiler knows it of none. These rules are few and certain; what they do not cover stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable

from onnxport_ir.captured import Arg, Eqn, TensorLiteral, Var
from onnxport_ir.dtypes import DType
from onnxport_ir.types import TensorType

from onnxport_frontend.aliasing import BOOL_RESULTS, KEEPS_SELF


def result_dtype(eqn: Eqn, dtype_of: Callable[[Arg], DType | None]) -> DType | None:
    """The element type of the first result of a call; None where no rule says it.

    Args:
        eqn: the call.
        dtype_of: the element type of a tensor among its arguments.
    """
    name, first = eqn.op.name, eqn.args[0] if eqn.args else None
    if eqn.op.namespace != "aten":
        return None
    if name in BOOL_RESULTS:
        return DType.BOOL
    if "dtype" in eqn.names:
        dtype = eqn.args[eqn.names.index("dtype")]
        if isinstance(dtype, DType):
            return dtype
        if dtype is not None or name not in _KEEPS:
            return None
    if name in _KEEPS or name in KEEPS_SELF:
        return dtype_of(first)
    if name in _JOINS and isinstance(first, tuple):
        return _common([dtype_of(item) for item in first])
    if name in _ARITHMETIC:
        tensors = [arg for arg in eqn.args if _is_tensor(arg)]
        numbers = [arg for arg in eqn.args if not _is_tensor(arg)]
        found = _common([dtype_of(arg) for arg in tensors])
        # A whole or real number does not change a float type; an integer type it may.
        real = all(number is None or isinstance(number, bool | int | float | str | Var) for number in numbers)
        return found if found is not None and found.is_float and real else None
    return None


def _is_tensor(arg: Arg) -> bool:
    if isinstance(arg, TensorLiteral):
        return not arg.wrapped_number
    return isinstance(arg, Var) and isinstance(arg.type, TensorType)


def _common(dtypes: list[DType | None]) -> DType | None:
    return dtypes[0] if dtypes and all(dtype is dtypes[0] for dtype in dtypes) else None


#: Results in the type of the first argument, whatever it is.
_KEEPS = frozenset(
    {
        "clone",
        "contiguous",
        "flip",
        "roll",
        "rot90",
        "repeat",
        "index",
        "index_select",
        "gather",
        "take",
        "amax",
        "amin",
    }
    | {"sort", "relu", "neg", "abs", "sign", "floor", "ceil", "round", "masked_select", "max_pool2d", "max_pool1d"}
    | {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones"}
    | {"new_full", "new_empty", "select_scatter", "slice_scatter", "diagonal_scatter", "constant_pad_nd", "pad"}
)
_JOINS = frozenset({"cat", "concat", "stack", "hstack", "vstack"})
#: Results in the type of all tensors among the arguments, where that is one float type.
_ARITHMETIC = frozenset(
    {"add", "sub", "mul", "div", "rsub", "pow", "maximum", "minimum", "lerp", "addcmul", "addcdiv", "sigmoid", "tanh"}
    | {
        "exp",
        "sqrt",
        "sum",
        "mean",
        "cumsum",
        "clamp",
        "clamp_min",
        "clamp_max",
        "hardtanh",
        "leaky_relu",
        "gelu",
        "silu",
    }
    | {"softmax", "log_softmax", "matmul", "mm", "bmm", "addmm", "linear", "dropout", "layer_norm"}
)
