"""What an export on this machine consists of: versions, plugins, and registrations."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass

from onnxport_custom_ops import Session
from onnxport_symbolics import Registry, default_registry
from onnxport_symbolics.registry import ENTRY_POINT_GROUP, Table

from onnxport.options import DEFAULT_OPSET

_PACKAGES = (
    "onnxport",
    "onnxport-cli",
    "onnxport-custom-ops",
    "onnxport-frontend",
    "onnxport-ir",
    "onnxport-symbolics",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "torch",
    "numpy",
)


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point of the group ``onnxport.symbolics``.

    Attributes:
        name: its name.
        value: the table that it names, ``package.module:TABLE``.
        package: the distribution that it comes with, and its version.
        adds: operators that nothing before it handles.
        overrides: operators whose handler it replaces.
        problem: why it cannot be used; None if it can.
    """

    name: str
    value: str
    package: str
    adds: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What :func:`diagnose` finds.

    Attributes:
        versions: by package; None where one is not installed.
        plugins: in the order in which they are asked, the last one first.
        registered: where the symbolic function of each operator comes from that was registered in this process.
    """

    versions: dict[str, str | None]
    plugins: tuple[Plugin, ...]
    registered: dict[str, str]

    @property
    def is_healthy(self) -> bool:
        """Whether all plugins can be used."""
        return all(plugin.problem is None for plugin in self.plugins)


def diagnose() -> Diagnosis:
    """Look at the installed packages and plugins; a plugin that cannot be loaded is reported, not raised."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    versions |= {name: _version(name) for name in _PACKAGES}
    registry = default_registry(plugins=False)
    plugins = []
    # In the order in which an export takes them, so that a later one is seen to override an earlier one.
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        plugin, table = _inspect(entry, registry)
        plugins.append(plugin)
        registry = registry.extended(table)
    return Diagnosis(versions, tuple(plugins), Session(DEFAULT_OPSET).registered)


def _inspect(entry: importlib.metadata.EntryPoint, registry: Registry) -> tuple[Plugin, Table]:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown"
    plugin = Plugin(entry.name, entry.value, package)
    try:
        table = entry.load()
    except Exception as error:  # the plugin's own code
        return _broken(plugin, f"{type(error).__name__}: {error}")
    if not isinstance(table, Table):
        return _broken(plugin, f"{entry.value} is no onnxport_symbolics.Table")
    names = [handler.name for handler in table]
    adds = tuple(sorted(str(name) for name in names if name not in registry))
    overrides = tuple(sorted(str(name) for name in names if name in registry))
    return Plugin(plugin.name, plugin.value, plugin.package, adds, overrides), table


def _broken(plugin: Plugin, problem: str) -> tuple[Plugin, Table]:
    return Plugin(plugin.name, plugin.value, plugin.package, problem=problem), Table(plugin.name)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


__all__ = ["Diagnosis", "Plugin", "diagnose"]
