"""How the script language puts values into texts."""

from __future__ import annotations

from collections.abc import Sequence


def formatted(template: str, values: Sequence[object]) -> str:
    """``template.format(*values)``, where only empty braces are places, and values without one are left out.

    Raises:
        ValueError: if there are fewer values than places.
    """
    first, *rest = template.split("{}")
    return first + "".join(f"{value}{text}" for value, text in zip(values[: len(rest)], rest, strict=True))


def percent_formatted(template: str, values: Sequence[object]) -> str:
    """``template % values``, where values without a place are left out.

    Raises:
        TypeError: if there are fewer values than places, or of another kind.
        ValueError: for a place that Python does not know.
    """
    return template % tuple(values[: percent_places(template)])


def percent_places(template: str) -> int:
    """How many values a template takes."""
    return template.replace("%%", "").count("%")
