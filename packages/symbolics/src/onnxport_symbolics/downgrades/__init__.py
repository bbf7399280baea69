"""How calls of ONNX operators were spelled before their schemas changed; importing it fills the table.

``docs/opsets.md`` lists what each of them does, and which changes need none.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
