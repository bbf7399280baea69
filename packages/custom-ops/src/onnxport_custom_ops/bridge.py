"""The bridge to ``torch.onnx``: libraries register their symbolic functions there, and call its exporter.

This is the one place of the package that touches ``torch.onnx``, and it does so for four things: to read what
libraries have registered, to let their functions run as they do there, to put another function in the place of its
``export``, and to let errors be caught as its own. Nothing of it does any converting.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from onnxport_ir.errors import LoweringError, NeedsStatic, OnnxExporterError, UnsupportedCase
from torch.onnx import errors
from torch.onnx._internal.torchscript_exporter import _globals, registration

from onnxport_custom_ops.registrations import SymbolicFunction, choose

#: What torch's helpers raise for a value that must be known and is not, in their view.
WantsConstant = errors.SymbolicValueError

# torch's settings of the running export are the process's, so that functions which may read them run one at a time.
_running = threading.RLock()


def registered_for(opset: int) -> dict[str, SymbolicFunction]:
    """The symbolic functions that were registered by ``torch.onnx.register_custom_op_symbolic``, by operator.

    torch's own are left out: its table tells the two apart. There is no public way to read it.
    """
    table: dict[str, dict[int, SymbolicFunction]] = {}
    for name, group in dict(registration.registry._registry).items():
        overrides = dict(group._functions._overrides)
        # Functions of ONNX-script are put into the same table; they are no symbolic functions.
        found = {version: function for version, function in overrides.items() if not _is_script(function)}
        if found:
            table[name] = found
    return choose(table, opset)


def _is_script(function: object) -> bool:
    return hasattr(function, "to_function_proto")


@contextlib.contextmanager
def running(opset: int) -> Iterator[None]:
    """Let ``torch.onnx``'s helpers know the opset while a user's symbolic function runs that may call them."""
    settings = _globals.GLOBALS
    with _running:
        before = settings._export_onnx_opset_version, settings._in_onnx_export
        settings._export_onnx_opset_version, settings._in_onnx_export = opset, True
        try:
            yield
        finally:
            settings._export_onnx_opset_version, settings._in_onnx_export = before


def catchable(error: OnnxExporterError) -> OnnxExporterError:
    """Let an error be caught as the one that torch's exporter raises in its place; returns it.

    Programs that call torch's exporter catch ``torch.onnx.errors.UnsupportedOperatorError``, say.
    """
    theirs: type[Exception] = errors.OnnxExporterError
    if isinstance(error, UnsupportedCase | NeedsStatic):
        theirs = errors.SymbolicValueError
    elif isinstance(error, LoweringError):
        theirs = errors.UnsupportedOperatorError
    if not isinstance(error, theirs):
        ours = type(error)
        error.__class__ = type(ours.__name__, (ours, theirs), {"__module__": ours.__module__, "__doc__": ours.__doc__})
    return error


#: The modules of torch whose ``export`` programs call.
_EXPORTERS = ("torch.onnx", "torch.onnx.utils")


def replace_exporters(make: Callable[[Callable[..., Any], str], Callable[..., Any]]) -> Callable[[], None]:
    """Put other functions in the place of torch's ``export``.

    Args:
        make: gives the new function for the old one and the module that it stands in.

    Returns:
        A function that puts the old ones back.
    """
    replaced: list[tuple[Any, Callable[..., Any]]] = []
    for name in _EXPORTERS:
        module = importlib.import_module(name)
        original = getattr(module, "export")  # noqa: B009 - it is replaced by this name as well
        replaced.append((module, original))
        setattr(module, "export", make(original, name))  # noqa: B010 - the modules are only known as such

    def put_back() -> None:
        for module, original in replaced:
            setattr(module, "export", original)  # noqa: B010 - as above

    return put_back
