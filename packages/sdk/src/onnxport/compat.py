"""Programs that call ``torch.onnx.export`` and cannot be edited: let them use onnxport.

    with onnxport.compat.installed():
        program_that_exports()

Errors can be caught as those of ``torch.onnx.errors``, too, besides under their own classes. A function that was
imported by its name before (``from torch.onnx import export``) is not replaced.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onnxport_custom_ops import bridge
from onnxport_ir.errors import OnnxExporterError

from onnxport.export import export


@dataclass(frozen=True, slots=True)
class _Installed:
    bare: bool
    put_back: Callable[[], None]


# What is replaced is the process's, and so is what it was replaced with.
_lock = threading.RLock()
_installed: list[_Installed] = []


def install(*, bare: bool = False) -> None:
    """Redirect ``torch.onnx.export(..., dynamo=False)`` and ``torch.onnx.utils.export`` to onnxport.

    It is for the whole process. A second call replaces the settings of the first.

    Args:
        bare: whether calls of ``torch.onnx.export`` that say nothing of ``dynamo`` are redirected as well.
    """
    with _lock:
        uninstall()
        put_back = bridge.replace_exporters(functools.partial(_redirected, bare))
        _installed.append(_Installed(bare, put_back))


def uninstall() -> None:
    """Put torch's functions back; without effect if nothing is installed."""
    with _lock:
        while _installed:
            _installed.pop().put_back()


@contextmanager
def installed(*, bare: bool = False) -> Iterator[None]:
    """:func:`install` inside of a block; what was installed before is so again afterwards.

    Args:
        bare: as for :func:`install`.
    """
    before = [entry.bare for entry in _installed]
    install(bare=bare)
    try:
        yield
    finally:
        uninstall()
        for setting in before:
            install(bare=setting)


def _redirected(bare: bool, original: Callable[..., Any], module: str) -> Callable[..., Any]:
    # Any: the arguments and results of torch's functions. `torch.onnx.utils` has only the exporter that is replaced.
    is_old = module.endswith(".utils")

    @functools.wraps(original)
    def redirected(*args: Any, **kwargs: Any) -> Any:
        dynamo = kwargs.get("dynamo")
        if dynamo or (dynamo is None and not (bare or is_old)):
            return original(*args, **kwargs)
        try:
            export(*args, **kwargs)
        except OnnxExporterError as error:
            bridge.catchable(error)
            raise
        return None

    return redirected


__all__ = ["install", "installed", "uninstall"]
