"""What is claimed about operators' memory, against torch's own sample inputs."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
from onnxport_frontend.aliasing import SILENT_ALIASES, functional_twin, is_pointwise, op_facts
from onnxport_frontend.tensor_state import CONTIGUOUS_RESULTS
from onnxport_ir.captured import OpName
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_leaves


def name_of(function):
    return f"aten::{function}"


def overloads(base):
    names = [s.overload_name for s in torch._C._jit_get_schemas_for_operator(base)]
    return [OpName(*base.split("::"), name) for name in names]


def says_that_it_shares(base):
    facts = [op_facts(op) for op in overloads(base)]
    return base in SILENT_ALIASES or any(fact.sources and any(fact.sources) for fact in facts)


@pytest.mark.filterwarnings("ignore")
def test_operators_that_share_memory_say_so():
    """Results share memory with arguments, or are not contiguous, only where that is expected."""
    shared, strided = set(), set()
    for op in op_db:
        if torch.float32 not in op.dtypes or "." in op.name or not overloads(name_of(op.name)):
            continue
        for sample in itertools.islice(op.sample_inputs("cpu", torch.float32), 2):
            inputs = dense((sample.input, sample.args, sample.kwargs))
            before = [tensor._version for tensor in inputs]
            try:
                outputs = dense(op(sample.input, *sample.args, **sample.kwargs))
            except (RuntimeError, NotImplementedError, TypeError):
                continue  # not for the CPU
            if before != [tensor._version for tensor in inputs]:
                continue  # in-place functions under the plain name
            memory = {tensor.untyped_storage().data_ptr() for tensor in inputs if tensor.numel()}
            if any(tensor.numel() and tensor.untyped_storage().data_ptr() in memory for tensor in outputs):
                shared.add(op.name)
            has_format = "memory_format" in sample.kwargs
            if not has_format and all(map(contiguous, inputs)) and not all(map(contiguous, outputs)):
                strided.add(op.name)
    assert {op for op in shared if not says_that_it_shares(name_of(op))} == {"histogramdd"}  # gives back a list
    claimed = {op for op in strided if is_claimed_contiguous(name_of(op))}
    assert claimed == set()
    assert len(shared) > 20
    assert len(strided) > 20


def is_claimed_contiguous(base):
    return base in CONTIGUOUS_RESULTS or any(map(is_pointwise, overloads(base)))


def dense(values):
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided]


def contiguous(tensor):
    return tensor.is_contiguous()


@pytest.mark.parametrize(
    ("op", "twin"),
    [
        ("aten::add_.Tensor", "aten::add.Tensor"),
        ("aten::add.out", "aten::add.Tensor"),
        ("aten::relu_", "aten::relu"),
        ("aten::dropout_", "aten::dropout"),
        ("aten::pow_.Scalar", "aten::pow.Tensor_Scalar"),
        ("aten::polygamma_", "aten::polygamma"),
        ("aten::__ior__.Tensor", "aten::__or__.Tensor"),
        ("aten::normal_", "aten::normal_functional"),
        ("aten::bernoulli_.float", "aten::bernoulli.p"),
        ("aten::sort.values", "aten::sort"),
        ("aten::zeros.out", "aten::zeros"),
        ("aten::relu", None),
        ("aten::no_such_operator_", None),
        ("aten::set_.source_Tensor_storage_offset", None),
    ],
)
def test_functional_twins(op, twin):
    found = functional_twin(OpName.parse(op))
    assert (found and str(found.op)) == twin


def test_twins_take_arguments_by_name():
    twin = functional_twin(OpName.parse("aten::polygamma_"))
    assert (twin.names, twin.sources) == (("n", "self"), (1, 0))


@pytest.mark.parametrize(
    ("op", "sources"),
    [
        ("aten::relu", ((),)),
        ("aten::select.int", ((0,),)),
        ("aten::unbind.int", ((0,),)),
        ("aten::split_with_sizes", ((0,),)),
        ("aten::__getitem__.t", ((0,),)),
        ("aten::index_put_", ((0,),)),
    ],
)
def test_sources_of_results(op, sources):
    assert op_facts(OpName.parse(op)).sources == sources


def test_every_inplace_operator_of_aten_has_a_twin_or_is_known():
    """A new release of torch may bring operators for which something must be written."""
    schemas = [s for s in torch._C._jit_get_all_schemas() if s.name.startswith("aten::") and s.name.endswith("_")]
    ops = [OpName("aten", s.name[6:], s.overload_name) for s in schemas if not s.name.endswith("__")]
    alone = {op.name for op in ops if op_facts(op).tensor_writes and functional_twin(op) is None}
    handled = {"copy_", "fill_diagonal_", "requires_grad_", "_no_grad_fill_", "_no_grad_zero_"}
    refused = {
        "_fill_mem_eff_dropout_mask_",
        "_index_put_impl_",
        "_no_grad_normal_",
        "_no_grad_uniform_",
        "_sobol_engine_ff_",
        "_sobol_engine_initialize_state_",
        "_sobol_engine_scramble_",
        "rrelu_with_noise_",
        "set_",
    }
    assert alone == handled | refused


def test_facts_are_those_of_the_overload():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert op_facts(OpName.parse("aten::add.no_such_overload")) is None
        assert op_facts(OpName.parse("aten::append.t")).container_writes == (0,)
        assert op_facts(OpName.parse("aten::add_.Tensor")).tensor_writes == (0,)
