"""What torch refuses to do in a trace although a trace can hold it.

``torch._check`` takes no tensor for a condition, which is what a comparison of sizes is in a trace; torch's own
unpooling checks so. ``functional_call`` takes no trace, while its parameters are values of the trace like others.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch

from onnxport_frontend import _torch_private as private


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Let this thread do both; the caller holds the tracing lock."""
    thread = threading.get_ident()
    check, call = getattr(*private.CHECK), getattr(*private.FUNCTIONAL_CALL)

    def check_with(error_type: Any, condition: Any, message: Any) -> None:
        is_ours = isinstance(condition, torch.Tensor) and threading.get_ident() == thread
        check(error_type, bool(condition) if is_ours else condition, message)

    def functional_call(
        module: torch.nn.Module, state: Any, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        if threading.get_ident() != thread:
            return call(module, state, args, kwargs, **options)
        given = args if isinstance(args, tuple) else () if args is None else (args,)
        with private.reparametrized(module, state, **options):
            return module(*given, **(kwargs or {}))

    setattr(*private.CHECK, check_with)
    setattr(*private.FUNCTIONAL_CALL, functional_call)
    try:
        yield
    finally:
        setattr(*private.CHECK, check)
        setattr(*private.FUNCTIONAL_CALL, call)
