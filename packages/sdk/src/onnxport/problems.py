"""Arguments that do not fit are reported all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from onnxport_ir.errors import InvalidArgument, OnnxExporterError

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Problems:
    """Collects what is wrong with the arguments of one call."""

    def __init__(self) -> None:
        self._errors: list[OnnxExporterError] = []

    def read(self, otherwise: _T, reader: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a reader makes of an argument, or ``otherwise`` if it refuses it, until :meth:`raise_all` says so."""
        try:
            return reader(*args, **kwargs)
        except OnnxExporterError as error:
            self._errors.append(error)
            return otherwise

    def raise_all(self) -> None:
        """Raise what was wrong.

        Raises:
            OnnxExporterError: the only problem.
            InvalidArgument: several of them, one a line.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            lines = [f"  [{error.code}] {error.describe()}".replace("\n  ", "\n    ") for error in self._errors]
            raise InvalidArgument("\n".join([f"{len(lines)} arguments do not fit", *lines]))
