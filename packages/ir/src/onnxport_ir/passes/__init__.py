"""Passes over a finished ONNX graph: few, small, each switchable by name.

The lowering simplifies while it emits, so that what is left for passes is what only the whole graph can tell: which
nodes nobody reads, and which weights have a single reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onnxport_ir.graph import Model
from onnxport_ir.passes.batch_norm import fold_batch_norms
from onnxport_ir.passes.dead_code import remove_dead_code
from onnxport_ir.passes.rms_norm import fuse_rms_norms
from onnxport_ir.passes.weights import transpose_weights


@dataclass(frozen=True, slots=True)
class Pass:
    """A named rewrite of a model in place.

    Attributes:
        name: what users switch it by.
        run: changes the model; gives the number of changes.
        why: why it stands where it stands in the pipeline.
        folds_weights: whether it stores weights as something that is computed from them.
        joins_modules: whether it makes one node of those of several modules, so that a module is no function then.
    """

    name: str
    run: Callable[[Model], int]
    why: str
    folds_weights: bool = False
    joins_modules: bool = False


#: The passes of an ordinary export, in order.
DEFAULT_PIPELINE: tuple[Pass, ...] = (
    Pass("dead-code", remove_dead_code, "first, so that readers that nobody reads do not count as readers"),
    Pass(
        "fold-batch-norm",
        fold_batch_norms,
        "before weights are transposed: it knows them by how they lie",
        folds_weights=True,
        joins_modules=True,
    ),
    Pass(
        "transpose-weights",
        transpose_weights,
        "after dead code: a weight is transposed only if nothing else reads it",
        folds_weights=True,
    ),
    Pass("fuse-rms-norm", fuse_rms_norms, "last: it looks for a weight as it is stored in the end"),
)


def run(pipeline: Sequence[Pass], model: Model) -> dict[str, int]:
    """Run passes in order.

    Returns:
        The number of changes by pass.
    """
    return {step.name: step.run(model) for step in pipeline}
