"""What the coverage runs have shown: from which opset on an operator's cases pass.

The figures come from ``nox -s opinfo`` and lie beside this module; they say what was tested, not what is possible.
"""

from __future__ import annotations

import functools
import importlib.resources
import json


@functools.cache
def first_tested_opsets() -> dict[str, int]:
    """The lowest opset at which a case that uses the operator has passed, by name without overload."""
    text = importlib.resources.files(__package__).joinpath("support.json").read_text(encoding="utf-8")
    found = json.loads(text)["first_opset"]
    return {str(name): int(opset) for name, opset in found.items()}
