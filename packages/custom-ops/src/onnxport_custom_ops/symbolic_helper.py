"""Helpers for symbolic functions, under the names of ``torch.onnx.symbolic_helper``.

Symbolic functions import them by these names, those with a leading underscore too, so that the names are a public
interface here. What they do is documented by the functions themselves.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from onnxport_custom_ops.handler_helper import (
    _argmin_argmax_helper,
    _max_helper,
    _min_helper,
    _scatter_helper,
    _sort_helper,
    _unbind_helper,
)
from onnxport_custom_ops.interpolation_helper import (
    _get_interpolate_attributes,
    _interpolate_get_scales,
    _interpolate_get_scales_and_mode,
    _interpolate_get_scales_if_available,
    _interpolate_size_to_scales,
)
from onnxport_custom_ops.quantized_helper import (
    dequantize_helper,
    quantize_helper,
    quantized_args,
)
from onnxport_custom_ops.reading import (
    _get_const,
    _get_tensor_dim_size,
    _get_tensor_rank,
    _get_tensor_sizes,
    _is_bool,
    _is_constant,
    _is_fp,
    _is_list,
    _is_none,
    _is_onnx_constant,
    _is_packed_list,
    _is_scalar_list,
    _is_tensor,
    _is_tensor_list,
    _is_tuple_construct,
    _is_value,
    _maybe_cast_to_type,
    _maybe_get_const,
    _maybe_get_scalar,
    _parse_arg,
    _scalar,
    _try_get_scalar_type,
    _type_promote_from_values,
    _unpack_list,
    _unpack_quantized_tensor,
    _unpack_tuple,
    args_have_same_dtype,
    is_complex_value,
    parse_args,
)
from onnxport_custom_ops.refusals import (
    _onnx_opset_unsupported,
    _onnx_opset_unsupported_detailed,
    _onnx_unsupported,
    _unimplemented,
)
from onnxport_custom_ops.scalar_types import JitScalarType
from onnxport_custom_ops.spelling_helper import (
    _flatten_helper,
    _generate_wrapped_number,
    _lt_helper,
    _numel_helper,
    _optional_input_placeholder_tensor,
    _reducesum_helper,
    _reshape_helper,
    _select_helper,
    _size_helper,
    _slice_helper,
    _squeeze_helper,
    _topk_helper,
    _unsqueeze_helper,
)
from onnxport_custom_ops.values import SymbolicNode

#: ONNX's numbers of element types, by the names that tensor types give them.
cast_pytorch_to_onnx: dict[str, int] = {
    member.scalar_name(): member.onnx_type()
    for member in JitScalarType
    if member.onnx_compatible() and not member.name.startswith("Q")
}
#: The names that tensor types give element types, by torch's name of them.
pytorch_name_to_type: dict[str, str] = {
    member.torch_name(): member.scalar_name() for member in JitScalarType if member is not JitScalarType.UNDEFINED
}
scalar_name_to_pytorch: dict[str, str] = {name: torch_name for torch_name, name in pytorch_name_to_type.items()}
#: torch's dtypes, by the numbers of :class:`JitScalarType`.
scalar_type_to_pytorch_type: list[torch.dtype] = [
    member.dtype() for member in JitScalarType if member is not JitScalarType.UNDEFINED
]
#: ONNX's numbers of element types, by the numbers of :class:`JitScalarType`; 0 where ONNX has none.
scalar_type_to_onnx: list[int] = [member.onnx_type() if member.onnx_compatible() else 0 for member in JitScalarType]


def _node_get(node: SymbolicNode, key: str) -> Any:
    """An attribute of a node."""
    return node[key]


def check_training_mode(op_train_mode: int, op_name: str) -> None:
    """Warn if an operator works otherwise in training, and the model is exported in that mode."""
    if op_train_mode:
        warnings.warn(f"{op_name} is exported as it works in training", stacklevel=2)


__all__ = [
    "_argmin_argmax_helper",
    "_flatten_helper",
    "_generate_wrapped_number",
    "_get_const",
    "_get_interpolate_attributes",
    "_get_tensor_dim_size",
    "_get_tensor_rank",
    "_get_tensor_sizes",
    "_interpolate_get_scales",
    "_interpolate_get_scales_and_mode",
    "_interpolate_get_scales_if_available",
    "_interpolate_size_to_scales",
    "_is_bool",
    "_is_constant",
    "_is_fp",
    "_is_list",
    "_is_none",
    "_is_onnx_constant",
    "_is_packed_list",
    "_is_scalar_list",
    "_is_tensor",
    "_is_tensor_list",
    "_is_tuple_construct",
    "_is_value",
    "_lt_helper",
    "_max_helper",
    "_maybe_cast_to_type",
    "_maybe_get_const",
    "_maybe_get_scalar",
    "_min_helper",
    "_node_get",
    "_numel_helper",
    "_onnx_opset_unsupported",
    "_onnx_opset_unsupported_detailed",
    "_onnx_unsupported",
    "_optional_input_placeholder_tensor",
    "_parse_arg",
    "_reducesum_helper",
    "_reshape_helper",
    "_scalar",
    "_scatter_helper",
    "_select_helper",
    "_size_helper",
    "_slice_helper",
    "_sort_helper",
    "_squeeze_helper",
    "_topk_helper",
    "_try_get_scalar_type",
    "_type_promote_from_values",
    "_unbind_helper",
    "_unimplemented",
    "_unpack_list",
    "_unpack_quantized_tensor",
    "_unpack_tuple",
    "_unsqueeze_helper",
    "args_have_same_dtype",
    "cast_pytorch_to_onnx",
    "check_training_mode",
    "dequantize_helper",
    "is_complex_value",
    "parse_args",
    "pytorch_name_to_type",
    "quantize_helper",
    "quantized_args",
    "scalar_name_to_pytorch",
    "scalar_type_to_onnx",
    "scalar_type_to_pytorch_type",
]
