"""Texts of the script language: they are known during the export, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnxport_ir.errors import LoweringError
from onnxport_ir.texts import formatted, percent_formatted, percent_places

from onnxport_symbolics.op import Op
from onnxport_symbolics.registry import aten, prim


@aten("format")
def format_(
    op: Op,
    self: str,
    arg1: object = None,
    arg2: object = None,
    arg3: object = None,
    arg4: object = None,
    arg5: object = None,
    arg6: object = None,
) -> str | LoweringError:
    """format(str self, ...) -> str; of what stands in braces, only the empty ones are places"""
    given = [arg1, arg2, arg3, arg4, arg5, arg6][: self.count("{}")]
    return _text(op, lambda: formatted(self, given), *given)


@aten("str")
def str_(op: Op, elem: object) -> str | LoweringError:
    """str(t elem) -> str"""
    return _text(op, lambda: str(elem), elem)


def _text(op: Op, build: Callable[[], str], *parts: object) -> str | LoweringError:
    """A text of known parts; the error stands for one of other parts, which is often printed only."""
    if not all(isinstance(part, bool | int | float | str) for part in parts):
        return op.refuse("a text that depends on the input")
    try:
        return build()
    except (TypeError, ValueError) as error:
        return op.refuse(f"a text whose places do not fit what it is given ({error})")


@aten("percentFormat")
def percent_format(
    op: Op,
    self: str,
    arg1: object = None,
    arg2: object = None,
    arg3: object = None,
    arg4: object = None,
    arg5: object = None,
    arg6: object = None,
) -> str | LoweringError:
    """percentFormat(str self, ...) -> str"""
    given = arg1 if isinstance(arg1, tuple) else (arg1, arg2, arg3, arg4, arg5, arg6)
    given = given[: percent_places(self)]
    return _text(op, lambda: percent_formatted(self, given), *given)


@aten("add.str")
def add_texts(op: Op, a: str, b: str) -> str:
    """add.str(str a, str b) -> str"""
    return a + b


@aten("startswith")
def startswith(op: Op, self: str, substr: str, start: int, end: int) -> bool:
    """startswith(str self, str substr, int start=0, int end=-1) -> bool"""
    return self.startswith(substr, start, _stop(self, end))


@aten("endswith")
def endswith(op: Op, self: str, substr: str, start: int, end: int) -> bool:
    """endswith(str self, str substr, int start=0, int end=-1) -> bool"""
    return self.endswith(substr, start, _stop(self, end))


@aten("replace")
def replace(op: Op, self: str, old: str, new: str, max: int) -> str:
    """replace(str self, str old, str new, int max=-1) -> str"""
    return self.replace(old, new, max)


@aten("split.str")
def split_text(op: Op, self: str, separator: str | None, max: int) -> tuple[str, ...]:
    """split.str(str self, str? separator=None, int max=-1) -> str[]"""
    return tuple(self.split(separator, max))


@aten("join")
def join_texts(op: Op, self: str, values: Sequence[str]) -> str:
    """join(str self, str[] values) -> str"""
    return self.join(values)


@aten("__contains__.str")
def text_in_text(op: Op, self: str, item: str) -> bool:
    """__contains__.str(str self, str item) -> bool"""
    return item in self


def _stop(text: str, end: int) -> int:
    """Where a part of a text ends: torch's -1 is behind the last letter."""
    return end if end >= 0 else max(0, len(text) + end + 1)


def _register_plain(name: str) -> None:
    def function(op: Op, self: str) -> object:
        return getattr(self, name)()

    function.__doc__ = f"{name}(str self) -> str"
    aten(name)(function)


def _register_stripping(name: str) -> None:
    def function(op: Op, self: str, chars: str) -> str:
        result: str = getattr(self, name)(chars)
        return result

    function.__doc__ = f"{name}(str self, str chars) -> str"
    aten(name)(function)


def _register_search(name: str, method: str) -> None:
    def function(op: Op, self: str, substr: str, start: int, end: int) -> int:
        try:
            result: int = getattr(self, method)(substr, start, _stop(self, end))
        except ValueError as error:
            raise op.refuse(f"{substr!r} is not in {self!r}") from error
        return result

    function.__doc__ = f"{name}(str self, str substr, int start=0, int end=-1) -> int"
    aten(name)(function)


def _register_padding(name: str) -> None:
    def function(op: Op, self: str, width: int, fillchar: str) -> str:
        result: str = getattr(self, name)(width, fillchar)
        return result

    function.__doc__ = f"{name}(str self, int width, str fillchar=' ') -> str"
    aten(name)(function)


for _name in ("lower", "upper", "capitalize", "title", "swapcase"):
    _register_plain(_name)
for _name in (
    "alnum",
    "alpha",
    "decimal",
    "digit",
    "identifier",
    "lower",
    "numeric",
    "printable",
    "space",
    "title",
    "upper",
):
    _register_plain(f"is{_name}")
for _name in ("strip", "lstrip", "rstrip"):
    _register_stripping(_name)
for _name in ("find", "rfind", "rindex"):
    _register_search(_name, _name)
_register_search("index.str", "index")
_register_search("count", "count")
for _name in ("center", "ljust", "rjust"):
    _register_padding(_name)


@aten("zfill")
def zfill(op: Op, self: str, width: int) -> str:
    """zfill(str self, int width) -> str"""
    return self.zfill(width)


@aten("rsplit")
def rsplit(op: Op, self: str, separator: str, max: int) -> tuple[str, ...]:
    """rsplit(str self, str separator=" ", int max=-1) -> str[]"""
    return tuple(self.rsplit(separator, max))


@aten("splitlines")
def splitlines(op: Op, self: str, keepends: bool) -> tuple[str, ...]:
    """splitlines(str self, bool keepends=False) -> str[]"""
    return tuple(self.splitlines(keepends))


@aten("partition")
def partition(op: Op, self: str, separator: str) -> tuple[str, ...]:
    """partition(str self, str separator) -> (str, str, str)"""
    return self.partition(separator)


@aten("rpartition")
def rpartition(op: Op, self: str, separator: str) -> tuple[str, ...]:
    """rpartition(str self, str separator) -> (str, str, str)"""
    return self.rpartition(separator)


@aten("__getitem__.str")
def letter(op: Op, s: str, index: int) -> str:
    """__getitem__.str(str s, int index) -> str"""
    if not -len(s) <= index < len(s):
        raise op.refuse(f"letter {index} of a text of {len(s)}")
    return s[index]


@prim("StringIndex")
def string_index(op: Op, string: str, index: int) -> str:
    """prim::StringIndex(str string, int index) -> str"""
    return letter(op, string, index)


@aten("slice.str")
def part_of_text(op: Op, string: str, start: int | None, end: int | None, step: int) -> str:
    """slice.str(str string, int? start=None, int? end=None, int step=1) -> str"""
    return string[start:end:step]


@aten("list")
def letters(op: Op, t: str) -> tuple[str, ...]:
    """list(str t) -> str[]"""
    return tuple(t)


@aten("ord")
def order(op: Op, string: str) -> int:
    """ord(str string) -> int"""
    if len(string) != 1:
        raise op.refuse(f"ord of a text of {len(string)} letters")
    return ord(string)


@aten("chr")
def character(op: Op, i: int) -> str:
    """chr(int i) -> str"""
    return chr(i)
