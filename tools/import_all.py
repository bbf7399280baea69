"""Import every public module of installed packages: ``import_all.py PACKAGE...``.

A module is private if a part of its name starts with an underscore. A fault is an import that is missing from the
package's declared dependencies, so this is run where nothing else is installed.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Sequence


def public_modules(package: str) -> Iterator[str]:
    """The names of a package and all its public modules, without importing more than the packages among them."""
    root = importlib.import_module(package)
    yield package
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield info.name


def main(arguments: Sequence[str] | None = None) -> int:
    """Import everything and report; returns the exit status."""
    parser = argparse.ArgumentParser(description="Import every public module of the given packages.")
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="an import name, such as onnxport_ir")
    names = [name for package in parser.parse_args(arguments).packages for name in public_modules(package)]
    failed = 0
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    print(f"{len(names) - failed} modules imported, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
