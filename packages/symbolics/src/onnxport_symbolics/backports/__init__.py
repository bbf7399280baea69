"""What stands in for ONNX operators at opsets that lack them; importing it fills the table.

A backport is written with the newest spelling of other operators, which are themselves brought to the target opset.
``docs/opsets.md`` lists the operators that have none, and why.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
