"""What an export says of buffers that the model writes."""

from __future__ import annotations

import warnings

from onnxport_frontend import Captured

_SHOWN = 6


class MutatedBuffersWarning(UserWarning):
    """The model writes to buffers, and the exported one begins each run with the values that they have now."""


def warn_of_buffers(captured: Captured) -> None:
    """Say which buffers the model writes that the exported model does not hand out.

    Args:
        captured: the capture.
    """
    known = set(captured.signature.state)
    written = [finding for finding in captured.findings if finding.kind == "buffer_write"]
    if not written or known:
        return
    lines = "\n".join(f"    {finding.what}, {finding.place}" for finding in written[:_SHOWN])
    more = f"\n    and {len(written) - _SHOWN} more" if len(written) > _SHOWN else ""
    warnings.warn(
        "the model writes to its buffers, and the exported model keeps nothing from one run to the next:\n"
        f'{lines}{more}\n  mutated_buffers="outputs" makes their new values outputs.',
        MutatedBuffersWarning,
        stacklevel=3,
    )
