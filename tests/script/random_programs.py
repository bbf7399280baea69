"""Programs of the script language made at random.

A program is a text: a function of tensors and numbers, whose statements are drawn from tables of patterns. In a
pattern ``$t`` is a float tensor, ``$k`` an int, and so on; ``$t1`` twice is the same one twice. Any statement is valid
anywhere: each variable has one type from the beginning to the end.
"""

from __future__ import annotations

import itertools
import linecache
import math
import random
import re
import typing
from typing import Any

import torch
from torch import Tensor

_NUMBERS = itertools.count()


def scripted(text: str) -> Any:
    """The function ``program`` of a text, scripted.

    Raises:
        RuntimeError: if torch's compiler does not take it.
    """
    name = f"<random program {next(_NUMBERS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space = {"math": math, "torch": torch, "Tensor": Tensor}
    space |= {name: getattr(typing, name) for name in ("Dict", "List", "Optional", "Tuple")} | {"__name__": __name__}
    try:
        exec(compile(text, name, "exec"), space)
        return torch.jit.script(space["program"])
    finally:
        del linecache.cache[name]


#: The variables of a program, by the letter that stands for them in patterns.
VARIABLES = {
    "t": ["t0", "t1", "t2"],  # float32, any number of rows of 3
    "w": ["w0"],  # float64, as t
    "u": ["u0", "u1"],  # int64, of rank 1
    "v": ["v0"],  # float32, of any rank
    "k": ["k0", "k1", "n"],
    "f": ["f0", "f1"],
    "b": ["b0", "b1"],
    "l": ["l0", "l1"],  # lists of tensors as t
    "i": ["i0", "i1"],  # lists of ints, never empty
    "g": ["g0"],  # a list of floats, never empty
    "o": ["o0"],  # a tensor as t, or None
    "q": ["q0"],  # an int or None
    "p": ["p0"],  # a pair of a tensor as t and an int
    "d": ["d0"],  # a dictionary of tensors as t with the keys "a" and "b"
}
NEVER_WRITTEN = {"n"}

# Capital letters are expressions; $c is a small number that is not 0.
EXPRESSIONS = {
    "K": [
        "$k",
        "$k",
        "$z",
        "len($l)",
        "len($i)",
        "$t.size(0)",
        "$t.dim()",
        "$t.numel()",
        "($K + $K)",
        "($K - $K)",
        "($K * $K % 7)",
        "($K // $c)",
        "($K % $c)",
        "min($K, $K)",
        "max($K, $K)",
        "abs($K)",
        "(-$K)",
        "int($F)",
        "int($B)",
        "math.floor($F)",
        "math.ceil($F)",
        "($K if $B else $K)",
        "(int($u.sum()) % 5)",
        "$i[0]",
        "$i[-1]",
        "$i1[$k % max(len($i1), 1)]",
        "sum($i)",
        "max($i)",
        "$p[1]",
        "($K & 3)",
        "($K | 1)",
        "(($K << 1) % 9)",
        "int($F / $c)",
        "(int(($t > $x).sum()) % 4)",
        "int(math.pow(2, min(abs($K), 4)))",
        "(int($u.max()) % 3)",
    ],
    "F": [
        "$f",
        "$f",
        "$x",
        "($F + $F)",
        "($F - $F)",
        "($F * $F)",
        "($F / $c)",
        "($F // $x)",
        "($F % $x)",
        "($F * $K)",
        "($K / 4)",  # the compiler takes an int divided by 1 for an int
        "($F ** 2)",
        "float($K)",
        "abs($F)",
        "min($F, $F)",
        "max($F, $F)",
        "(-$F)",
        "math.sqrt(abs($F))",
        "math.sin($F)",
        "math.exp(-abs($F))",
        "math.fabs($F)",
        "(float(round($F * 2.0)) / 2.0)",
        "float($t.tanh().sum())",
        "($F if $B else $F)",
        "$g[0]",
        "$g[-1]",
        "float($B)",
        "float($w.tanh().sum())",
    ],
    "B": [
        "$b",
        "$b",
        "(not $b)",
        "($B and $B)",
        "($B or $B)",
        "($K > $K)",
        "($K == $K)",
        "($K != $K)",
        "($K <= $K)",
        "($K % 2 == 0)",
        "($F < $F)",
        "($F >= $x)",
        "bool($t.sum() > $x)",
        "bool(($t > $x).any())",
        "bool($t.tanh().sum() < $F)",
        "($k in $i)",
        "($k in [0, 1, 4])",
        "($k not in $i)",
        "($o is None)",
        "($q is not None)",
        "(len($l) > $z)",
        "($t.size(0) > 2)",
        "(0 < $k < 4)",
        "bool($k)",
        "($b == $b)",
        "($b != $b)",
        "($i == [1, 2])",
        "($i == $i)",
        "($t.shape[0] == $t.shape[0])",
        "(s == 'one')",
        "bool(torch.all($u > 0))",
        "($t.dtype == torch.float32)",
        "isinstance($q, int)",
    ],
    "T": [
        "$t",
        "$t",
        "$t",
        "torch.tanh($T * 0.7)",
        "($T + $T.sum(0))",
        "($T - $T[:1])",
        "($T * $F)",
        "torch.tanh($T + $K)",
        "($T * $b)",
        "$T.flip(0)",
        "$T.relu()",
        "torch.cat([$t, $T])[:5]",
        "torch.cat([$T, $t])[-4:]",
        "$t[$k % 2:]",
        "$t[:2]",
        "$t1[$k % max($t1.size(0), 1)].unsqueeze(0)",
        "torch.where($t1 > $x, $t1, $t.sum(0))",
        "$l[0]",
        "$l[-1]",
        "$l1[$k % max(len($l1), 1)]",
        "torch.cat($l)[:4]",
        "torch.stack([x.sum(0) for x in $l])",
        "torch.stack([$t.mean(0), $t.sum(0)])",
        "$p[0]",
        "$w.to(torch.float32)",
        "($t + $w[:1]).float()",
        "$d['a']",
        "($d['b'] * 0.5)",
        "torch.full([2, 3], $F)",
        "torch.zeros($t1.size(0), 3) + $t1",
        "torch.full_like($t, $F)",
        "($T if $B else $T)",
        "helper($T, $k)",
        "($t * $u.sum())",
        "$t.unbind(0)[0].unsqueeze(0)",
        "($v.sum() * $t)",
        "torch.cat($t.split(1))",
        "torch.stack(list($t.unbind(1)), 1)",
        "$T.reshape($t1.size(0) * 0 - 1, 3)",
        "$T.t().contiguous().t()",
        "$t.new_zeros([2, 3])",
    ],
}

STATEMENTS = [
    "$t = $T",
    "$t = torch.tanh($T)",
    "$t = torch.tanh($T)",
    "$t = torch.tanh($T + $T.sum(0))",
    "$k = $K % 11 - 3",
    "$k = $K % 5",
    "$k += $c",
    "$k = min(max($K, -4), 6)",
    "$f = math.sin($F)",
    "$f = min(max($F, -3.0), 3.0)",
    "$f += $x",
    "$b = $B",
    "$b = not $b",
    "$k, $f = $K % 5, math.sin($F)",
    "$t1, $t2 = $t2, $t1",
    "$w = torch.tanh($w + $F)",
    "$w = ($w * 0.5 + $t.sum(0))[:4]",
    "$u = ($u * 2 + $K) % 7",
    "$u = torch.cat([$u, $u])[-3:]",
    "$u = torch.arange(abs($K) % 4 + 1)",
    "$u = torch.tensor([$k, $z, 1])",
    "$u = torch.tensor($i)[:4]",
    "$v = $T.sum(0)",
    "$v = $T.unsqueeze(0)",
    "$v = torch.tanh($v * $F)",
    "$v = torch.full([abs($K) % 3, 2], $F)",
    "$v = $T.sum()",
    "$l.append($T)",
    "$l.append($T)",
    "$l.insert($z, $T)",
    "$l1.insert(len($l1), $T)",
    "$l[0] = $T",
    "$l[-1] = torch.tanh($T)",
    "$l1[$k % max(len($l1), 1)] = $T",
    "if len($l1) > 1:\n    $t = torch.tanh($l1.pop())",
    "if len($l1) > 2:\n    $t = torch.tanh($l1.pop(0))",
    "if len($l1) > 2:\n    del $l1[1]",
    "$l = [$T, $T]",
    "$l = $l + [$T]",
    "$l += [$T]",
    "$l.extend([$T, $t])",
    "$l = $l1[1:] + [$T]",
    "$l = $l1[:2]",
    "$l = list($l)",
    "$l = [torch.tanh(x * $f) for x in $l]",
    "$l = [x for x in $t.split(1)] + [$t]",
    "$l = $l",
    "$l.reverse()",
    "push($l, $T, $k)",
    "$i.append($K % 9)",
    "$i[0] = $K % 9",
    "$i[-1] += $c",
    "$i = [$K % 9, $k]",
    "$i = $i + [$k]",
    "$i = [j * 2 % 9 for j in $i]",
    "$i = [j % 4 for j in range(abs($K) % 4 + 1)]",
    "$i1 = $i1[-2:]",
    "$i.insert(0, $K % 9)",
    "if len($i1) > 1:\n    $k = $i1.pop()",
    "$i.reverse()",
    "$i.sort()",
    "$i = sorted($i)",
    "$g.append(math.sin($F))",
    "$g[0] = math.sin($F)",
    "$g = [math.sin($F), $f]",
    "$o = $T",
    "$o = torch.jit.annotate(Optional[Tensor], None)",
    "if $o1 is not None:\n    $t = torch.tanh($T + $o1.sum(0))",
    "if $o1 is None:\n    $t = $T\nelse:\n    $t = $o1 * 0.5",
    "$q = $K % 5",
    "$q = torch.jit.annotate(Optional[int], None)",
    "if $q1 is not None:\n    $k = $q1 + 1",
    "$p = ($T, $K % 5)",
    "$p = (torch.tanh($p[0]), $p[1] + 1)",
    "$t, $k = $p",
    "$d = {'a': $T, 'b': $T}",
    "$d['a'] = $T",
    "$t = torch.tanh($d['b'] + $T.sum(0))",
    "$t1 = $T.clone()\n$t1[0] = $T[-1] * 0.5",
    "$t1 = $T.clone()\n$t1[:, 1] += $F",
    "$t1 = $T + 0.0\n$t1.mul_(0.5)",
    "$t1 = $T * 1.0\ny = $t1[:, :2]\ny.add_($K)\ny[0].mul_(0.5)",
    "$t1 = $T.clone()\n$t1[0, 0] = $F",
    "$t1 = $T.clone()\nfor r in range($t1.size(0)):\n    $t1[r] = $t1[r] * 0.5 + r",
    "assert $t.dim() == 2, 'rank'",
    "if $t.dim() != 2:\n    raise ValueError('rank')",
    "print($k)",
    "for x in $l1[:2]:\n    $t = torch.tanh($T + x.sum(0))",
    "for j, x in enumerate($l[:3]):\n    $t = torch.tanh($T + x.sum(0) * j)",
    "for x, j in zip([$t, $t], [$k, $z]):\n    $t = torch.tanh(x * j)",
    "for j in $i[:4]:\n    $k = ($k + j) % 5",
    "for row in $t[:3]:\n    $f = math.sin($f + float(row.sum()))",
    "$b = s == 'one'",
]

_MARK = re.compile(r"\$([a-zA-Z])(\d?)")
_START = """\
def helper(x: Tensor, k: int) -> Tensor:
    for j in range(3):
        if k == j:
            return x * 0.5
        x = torch.tanh(x + j)
    return x

def push(xs: List[Tensor], x: Tensor, k: int):
    if k > 2:
        xs.append(x * 0.5)
    xs.append(x)

def program(t0: Tensor, n: int, f0: float, b0: bool, u0: Tensor) -> {result}:
    t1, t2 = t0 * 0.5, torch.flip(t0, [0]) + 1
    w0 = t0.to(torch.float64) * 0.25
    u1 = torch.arange(3)
    v0 = t0
    k0, k1, f1, b1 = n, 1, 0.5, n > 2
    l0, l1 = [t0, t1], [t2]
    i0, i1, g0 = [n, 2], [1, 2, 3], [f0, 0.25]
    o0: Optional[Tensor] = None
    q0: Optional[int] = None
    p0 = (t1, n)
    d0 = {{'a': t0, 'b': t2}}
    s = 'one'
"""
# Two lists that may be one cannot both be read after a write, so only some of all things are results.
_RESULTS = {
    "t0, t1, t2": "Tensor, Tensor, Tensor",
    "k0, k1, f0, f1, b0, b1": "int, int, float, float, bool, bool",
    "w0, u0, u1, v0": "Tensor, Tensor, Tensor, Tensor",
    "len(l0), torch.cat(l0)": "int, Tensor",
    "len(l1), l1[0], l1[-1]": "int, Tensor, Tensor",
    "i0, i1": "List[int], List[int]",
    "g0": "List[float]",
    "d0['a'], d0['b']": "Tensor, Tensor",
    "p0": "Tuple[Tensor, int]",
    "t1 if o0 is None else o0, -1 if q0 is None else q0": "Tensor, int",
}


class Author:
    """Writes one program.

    Args:
        source: where the choices come from.
        depth: how many branches and loops may be around a statement.
    """

    def __init__(self, source: random.Random, depth: int = 3) -> None:
        self._source = source
        self._depth = depth
        self._count = 0

    def program(self) -> str:
        """The text: three functions, the last one is called ``program``."""
        lines = self._block(self._depth, is_loop=False, least=4, most=10)
        chosen = [found for found in _RESULTS if self._source.random() < 0.5] or ["t0, t1, t2"]
        self._results = ", ".join(chosen)
        types = ", ".join(_RESULTS[found] for found in chosen)
        body = "".join(f"    {line}\n" for line in lines)
        text = _START.format(result=f"Tuple[{types}, Tensor]") + body + f"    return {self._results}, t0\n"
        return text.replace("RESULTS", f"{self._results}, t0")

    def _block(self, depth: int, *, is_loop: bool, least: int = 1, most: int = 4) -> list[str]:
        count = self._source.randint(least, most)
        return [line for _ in range(count) for line in self._statement(depth, is_loop=is_loop)]

    def _statement(self, depth: int, *, is_loop: bool) -> list[str]:
        chance = self._source.random()
        if depth > 0 and chance < 0.16:
            return self._branches(depth - 1, is_loop=is_loop)
        if depth > 0 and chance < 0.28:
            return self._loop(depth - 1)
        if is_loop and chance < 0.32:
            return [f"if {self._filled('$B')}:", "    " + self._source.choice(["break", "continue"])]
        if chance < 0.30:
            return [f"if {self._filled('$B')}:", "    return RESULTS"]
        return self._filled(self._source.choice(STATEMENTS)).split("\n")

    def _branches(self, depth: int, *, is_loop: bool) -> list[str]:
        lines = [f"if {self._filled('$B')}:", *self._body(depth, is_loop=is_loop)]
        if self._source.random() < 0.3:
            lines += [f"elif {self._filled('$B')}:", *self._body(depth, is_loop=is_loop)]
        if self._source.random() < 0.6:
            lines += ["else:", *self._body(depth, is_loop=is_loop)]
        return lines

    def _loop(self, depth: int) -> list[str]:
        self._count += 1
        turn = f"turn{self._count}"
        body = self._body(depth, is_loop=True)
        if self._source.random() < 0.25:
            limit = self._source.choice(["3", "n", "$t.size(0)", "min($k, 4)"])
            condition = self._source.choice(["", " and $B"])
            head = [f"{turn} = 0", self._filled(f"while {turn} < {limit}{condition}:"), f"    {turn} += 1"]
            if self._source.random() < 0.3:
                head = [
                    f"{turn} = 0",
                    "while True:",
                    f"    {turn} += 1",
                    self._filled(f"    if {turn} > {limit}:"),
                    "        break",
                ]
            return head + body
        bounds = self._source.choice(
            ["2", "3", "0", "n", "$t.size(0)", "len($l) % 4", "min($K, 4)", "1, n", "n, 0, -2", "0, 5, $c1 * $c1"]
        )
        return [self._filled(f"for {turn} in range({bounds}):"), *body, self._filled(f"    $k = ($k + {turn}) % 7")]

    def _body(self, depth: int, *, is_loop: bool) -> list[str]:
        return ["    " + line for line in self._block(depth, is_loop=is_loop)]

    def _filled(self, pattern: str, depth: int = 2) -> str:
        """A pattern with its marks replaced."""
        bound: dict[str, str] = {}

        def fill(match: re.Match[str]) -> str:
            letter, number = match.groups()
            if number and match.group() in bound:
                return bound[match.group()]
            found = self._drawn(letter, depth, pattern[match.end() :])
            if number:
                while found in bound.values():
                    found = self._drawn(letter, depth, pattern[match.end() :])
                bound[match.group()] = found
            return found

        return _MARK.sub(fill, pattern)

    def _drawn(self, letter: str, depth: int, rest: str) -> str:
        source = self._source
        match letter:
            case "z":
                return str(source.randint(-2, 4))
            case "c":
                return str(source.choice([-3, -2, -1, 1, 2, 3]))
            case "x":
                return str(source.choice([-2.5, -0.75, 0.37, 1.5, 2.0]))
        if letter in VARIABLES:
            is_written = letter == "k" and re.match(r"(, \$\w)? (\+)?= ", rest)
            return source.choice([name for name in VARIABLES[letter] if not (is_written and name in NEVER_WRITTEN)])
        patterns = EXPRESSIONS[letter]
        if depth <= 0:
            patterns = [pattern for pattern in patterns if not re.search(r"\$[A-Z]", pattern)]
        return self._filled(source.choice(patterns), depth - 1)
