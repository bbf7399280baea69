"""What the commands say: tables for people, JSON for programs, errors on standard error."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Output:
    """Where a command writes.

    Attributes:
        as_json: whether standard output is one JSON document.
    """

    as_json: bool = False

    @property
    def console(self) -> Console:
        """Standard output."""
        return Console()

    @property
    def errors(self) -> Console:
        """Standard error."""
        return Console(stderr=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table, unless JSON was asked for; numbers are set to the right."""
        if self.as_json:
            return
        # Text, because names such as x[0] would be taken for markup.
        table = Table(title=Text(title), title_justify="left")
        rows = [list(row) for row in rows]
        for index, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(table)

    def text(self, message: str) -> None:
        """Print a line, unless JSON was asked for."""
        if not self.as_json:
            self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def document(self, content: Mapping[str, Any]) -> None:
        """Print the JSON document, if it was asked for."""
        if self.as_json:
            # Not through rich, which would wrap lines.
            print(json.dumps(content, indent=2))  # noqa: T201 - the command's output

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show that something takes its time; silent where standard error is no terminal.

        What other code prints meanwhile goes to standard error if standard output is a JSON document.
        """
        with contextlib.ExitStack() as stack:
            if self.as_json:
                stack.enter_context(contextlib.redirect_stdout(sys.stderr))
            if self.errors.is_terminal:
                stack.enter_context(self.errors.status(what))
            yield


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if isinstance(value, float) else str(value)


def size_text(nbytes: int) -> str:
    """A number of bytes as people write it: ``1.5 MB``."""
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{nbytes} B"
