"""``onnxport doctor``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from onnxport.doctor import Plugin, diagnose

from onnxport_cli.output import Output


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of tables.")] = False,
) -> None:
    """List the versions of all parts, the plugins, and which operators each adds or overrides.

    Ends with 1 if a plugin cannot be loaded: exports would fail.
    """
    out = Output(as_json)
    found = diagnose()
    out.table("Versions", ["package", "version"], [(name, v or "not installed") for name, v in found.versions.items()])
    if found.plugins:
        columns = ["plugin", "package", "table", "operators"]
        out.table("Plugins", columns, [(p.name, p.package, p.value, _operators(p)) for p in found.plugins])
    else:
        out.text("No plugins are installed.")
    out.document({**dataclasses.asdict(found), "is_healthy": found.is_healthy})
    if not found.is_healthy:
        raise typer.Exit(1)


def _operators(plugin: Plugin) -> str:
    if plugin.problem is not None:
        return f"cannot be loaded: {plugin.problem}"
    return "\n".join([*(f"adds {name}" for name in plugin.adds), *(f"overrides {name}" for name in plugin.overrides)])
