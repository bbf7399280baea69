"""Run the model once: as a trace, or, where it is TorchScript already, to see what it returns."""

from __future__ import annotations

import contextlib
import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from onnxport_ir.errors import CaptureFailed, OnnxExporterError

from onnxport_frontend import _torch_private as private
from onnxport_frontend.careful import MARKER, Careful
from onnxport_frontend.conversions import WatchingConversions
from onnxport_frontend.departures import AS_THE_EXAMPLE, Departures
from onnxport_frontend.findings import Finding, Findings, collect_findings, frames_of
from onnxport_frontend.model_state import preserved, preserved_settings
from onnxport_frontend.places import last_script_place, user_place
from onnxport_frontend.refusals import lifted
from onnxport_frontend.signature import Call, is_tensor_list
from onnxport_frontend.structure import Tree, flatten

# One trace at a time in the process. torch keeps the map from modules to scopes in a module global while it traces
# (torch.jit._trace._trace_module_map: a second thread's trace would lose its modules), the warning filters that catch
# what a trace freezes belong to the process before Python 3.14, and so do the flag behind is_in_onnx_export() and the
# switch of the attention kernels. Everything else of a capture runs without it. Reentrant, because what a script leaves
# to Python may export, and because an export within a trace shall end in an error.
TRACING = threading.RLock()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What running the model gave.

    Attributes:
        leaves: all leaves of the result; tensors are detached.
        tree: its structure.
        findings: the values that the trace has fixed.
        traced: the traced model; None for TorchScript.
        replaced: the names of buffers for which the model now holds other tensors.
        buffers: what the buffers that were asked for hold afterwards.
    """

    leaves: tuple[Any, ...]
    tree: Tree
    findings: tuple[Finding, ...]
    traced: torch.jit.ScriptModule | None
    replaced: tuple[str, ...] = ()
    buffers: tuple[torch.Tensor, ...] = ()


def trace(
    model: torch.nn.Module,
    call: Call,
    training: bool | None,
    *,
    careful: bool = False,
    keeps_function: Callable[[type], bool] = lambda _: True,
    keeps_state: bool = False,
    departures: Departures = AS_THE_EXAMPLE,
) -> Result:
    """Trace a model with the tensors of ``call`` as inputs; everything else in it is a constant.

    Args:
        model: the model.
        call: the example call.
        training: the mode to run the model in; None leaves its modules as they are.
        careful: whether to trace in the mode of :mod:`onnxport_frontend.careful` at once.
        keeps_function: which ``autograd.Function`` classes are one node each; of others, it is what they do.
        keeps_state: whether tensors that the model has put in place of its buffers are results of the trace as well.
        departures: what to do otherwise than the model does with these tensors.

    Raises:
        CaptureFailed: if the model raises, or does something that cannot be traced.
        UnsafeMutation: if it writes to its parameters.
    """
    if not careful:
        try:
            return _trace(
                _Flat(model, call, keeps_state), training, contextlib.nullcontext(), keeps_function, departures
            )
        except CaptureFailed as error:
            if MARKER not in str(error.__cause__):
                raise
    return _trace(_Flat(model, call, keeps_state), training, Careful(), keeps_function, departures)


def _trace(
    flat: _Flat,
    training: bool | None,
    mode: contextlib.AbstractContextManager[object],
    keeps_function: Callable[[type], bool],
    departures: Departures,
) -> Result:
    examples = tuple(_copy(flat.call.leaves[index]) for index in flat.positions)
    with (
        _running(flat.model, training, departures) as findings,
        private.followed_functions(keeps_function),
        lifted(),
        WatchingConversions(findings.watch),
        mode,
    ):
        traced = private.trace(flat.model, flat, examples)
    leaves, tree = flat.result
    return Result(tuple(_detached(leaf) for leaf in leaves), tree, tuple(findings.all()), traced, flat.replaced)


def run(model: Any, call: Call, training: bool | None, buffers: Sequence[str] = (), *, quiet: bool = False) -> Result:
    """Run a TorchScript module or function for the structure of its result.

    Args:
        model: the model.
        call: the call.
        training: the mode to run it in; None leaves its modules as they are.
        buffers: the buffers whose values afterwards are wanted, by name.
        quiet: whether what it warns of is dropped.

    Raises:
        CaptureFailed: if it raises.
    """
    args, kwargs = call.rebuild([_copy(leaf) for leaf in call.leaves])
    with _running(model, training, quiet=quiet) as findings:
        leaves, tree = flatten(model(*args, **kwargs))
        after = tuple(operator.attrgetter(name)(model).detach().clone() for name in buffers)
    return Result(tuple(_detached(leaf) for leaf in leaves), tree, tuple(findings.all()), None, (), after)


class _Flat:
    """The model behind a list of tensors."""

    def __init__(self, model: torch.nn.Module, call: Call, keeps_state: bool) -> None:
        self.model = model
        self.call = call
        self.positions = [i for i, leaf in enumerate(call.leaves) if isinstance(leaf, torch.Tensor)]
        self.result: tuple[list[Any], Tree] = ([], Tree())
        self.replaced: tuple[str, ...] = ()
        self._keeps_state = keeps_state

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Call the model exactly as the user would, with these tensors in place of the example's."""
        leaves = list(self.call.leaves)
        for position, tensor in zip(self.positions, tensors, strict=True):
            leaves[position] = tensor
        args, kwargs = self.call.rebuild(leaves)
        before = dict(self.model.named_buffers(remove_duplicate=False))
        self.result = flatten(self.model(*args, **kwargs))
        after = dict(self.model.named_buffers(remove_duplicate=False))
        self.replaced = tuple(name for name, buffer in before.items() if after.get(name, buffer) is not buffer)
        outputs = tuple(leaf for leaf in self.result[0] if isinstance(leaf, torch.Tensor))
        if not outputs:
            raise CaptureFailed("the model returns no tensor")
        if self._keeps_state:
            outputs += tuple(after[name] for name in self.replaced)
        for output in outputs:
            private.keep_in_trace(output)
        return outputs


@contextlib.contextmanager
def _running(
    model: Any, training: bool | None, departures: Departures = AS_THE_EXAMPLE, *, quiet: bool = False
) -> Iterator[Findings]:
    """Everything that must hold while the user's code runs; what it raises becomes ``CaptureFailed``."""
    if private.is_tracing():
        raise CaptureFailed(
            "a model is exported while another one is traced",
            why="torch cannot trace within a trace",
            hint="Export the inner model before the outer one, or skip that where torch.jit.is_tracing() is true.",
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(TRACING)
        if isinstance(model, torch.nn.Module):
            stack.enter_context(preserved(model, training))
        stack.enter_context(preserved_settings())
        stack.enter_context(private.onnx_export_flag())
        stack.enter_context(private.without_mha_fastpath())
        stack.enter_context(private.without_autocast_cache())
        # Nothing that is exported needs gradients, and their graph would keep all activations alive.
        stack.enter_context(torch.no_grad())
        findings = stack.enter_context(collect_findings(departures, quiet=quiet))
        try:
            yield findings
        except OnnxExporterError:
            raise
        except Exception as error:
            raise _failure(error) from error


def _failure(error: Exception) -> CaptureFailed:
    text = str(error).strip()
    where = user_place(frames_of(error.__traceback__))
    if isinstance(error, torch.jit.Error) or text.startswith(_INTERPRETER):
        return _script_failure(text)
    for marker, what, hint in _TRACER_MESSAGES:
        if marker in text:
            return CaptureFailed(what, why=_first_line(text), where=where, hint=hint)
    kind = type(error).__name__
    return CaptureFailed(
        f"the model raised {kind}" if where is not None else f"torch.jit.trace raised {kind}",
        why=_first_line(text) or None,
        where=where,
        hint=_TRY,
    )


def _script_failure(text: str) -> CaptureFailed:
    """An error of compiled code, whose text holds the script's own traceback with the error in the last line."""
    error = text.rsplit("\n", 1)[-1]
    kind, _, why = error.rpartition("Error: ")
    name = f"{kind.rpartition('.')[2]}Error" if why != error else "an error"
    return CaptureFailed(f"the model raised {name}", why=why or None, where=last_script_place(text), hint=_TRY)


_INTERPRETER = "The following operation failed in the TorchScript interpreter"
_TRY = "Check that the model runs with the example arguments outside of the export."

_TRACER_MESSAGES = (
    (
        f"{MARKER}aten::view ",
        "the model reads the memory of a tensor as another element type",
        "torch cannot trace x.view(dtype). Convert the values with to(dtype), or take floats apart with torch.frexp.",
    ),
    (
        "Cannot insert a Tensor that requires grad as a constant",
        "the model uses a parameter that belongs to none of its modules",
        "Register it: assign it to an attribute of a module, or keep the module that owns it in an nn.ModuleList.",
    ),
    (
        MARKER,
        "the model calls an operator in a way that torch cannot trace",
        "Pass a number instead of a truth value, or a tensor.",
    ),
    (
        "dynamo-optimized function",
        "the model calls what torch.compile has compiled",
        "Export the model before it is compiled, or call the original function.",
    ),
    (
        "Tracer cannot infer type of",
        "the model passes a value between modules that cannot be traced",
        None,
    ),
)


def _first_line(text: str) -> str:
    line = text.split("\n", 1)[0]
    return line[line.index(MARKER) :] if MARKER in line else line


def _copy(leaf: Any) -> Any:
    """A tensor of its own for the run: the model may write to its inputs."""
    if is_tensor_list(leaf):
        return [_copy(item) for item in leaf]
    if not isinstance(leaf, torch.Tensor):
        return leaf
    copy = leaf.detach().clone()
    return copy.requires_grad_(leaf.requires_grad)


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf
