"""What model code asks of an export, and how a model's mode is set for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from onnxport_frontend import is_exporting

from onnxport.options import TrainingMode

if TYPE_CHECKING:
    import torch


def is_in_onnx_export() -> bool:
    """Whether the model is being run for an export, of onnxport or of torch."""
    return is_exporting()


def is_trained(model: object, mode: bool | None) -> bool:
    """Whether a model is captured as it is in training.

    Args:
        model: the model.
        mode: the mode that it is put into; None leaves it.
    """
    return bool(getattr(model, "training", False)) if mode is None else mode


@contextmanager
def select_model_mode_for_export(model: torch.nn.Module, mode: TrainingMode | int) -> Iterator[None]:
    """Put a model into a mode, and every module of it back into its own afterwards.

    ``export`` does this itself.

    Args:
        model: the model.
        mode: the mode; ``TrainingMode.PRESERVE`` leaves it as it is.

    Raises:
        InvalidArgument: if ``mode`` is none.
    """
    wanted = TrainingMode.of(mode).module_mode
    before = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    try:
        if wanted is not None and hasattr(model, "training"):
            model.train(wanted)
        yield
    finally:
        for module, was_training in before:
            module.training = was_training
