"""Programs with Python's functions of numbers and texts."""

# ruff: noqa: UP006, UP031, UP032, UP035, FLY002, SIM102, SIM905, RUF005, PLR0133, RUF100 - the script language as people write it

import math
from typing import List

import torch

from tests.script.corpus import program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.25)
NUMBERS = ((X, 0.3, 3), (X, 0.75, 2), (X, 0.5, 5))


@program(*NUMBERS)
def roots_and_exponentials(x, f: float, n: int):
    return x, math.sqrt(f), math.sqrt(n), math.exp(f), math.expm1(f), math.log(f), math.log10(n), math.log1p(f)


@program(*NUMBERS)
def powers(x, f: float, n: int):
    return x, n**2, f**2, 2**n, f**n, n**f, math.pow(n, 2), math.pow(f, 0.5)


@program(*NUMBERS)
def angles(x, f: float, n: int):
    return x, math.sin(f), math.cos(n), math.tan(f), math.degrees(f), math.radians(n), math.atan2(f, 2.5)


@program(*NUMBERS)
def inverse_functions(x, f: float, n: int):
    return x, math.asin(f), math.acos(f), math.atan(n), math.asinh(f), math.acosh(f + 1.0), math.atanh(f)


@program(*NUMBERS)
def hyperbolic_functions(x, f: float, n: int):
    return x, math.sinh(f), math.cosh(n), math.tanh(f), math.erf(f), math.erfc(f), math.lgamma(f), math.fabs(-f)


@program(*NUMBERS)
def functions_of_known_numbers(x, f: float, n: int):
    a = math.atan(0.3) + math.gamma(0.3) + math.erf(0.2) + math.factorial(4) + math.copysign(2.0, -1.0)
    return x * (a + math.gcd(12, 18) + math.ldexp(0.5, 3) + math.modf(1.25)[0] + divmod(7, 2)[1]) + f * n


@program(*NUMBERS)
def divisions(x, f: float, n: int):
    a, b = divmod(n, 2)
    c, d = divmod(-f, 0.2)
    return (
        x,
        a,
        b,
        c,
        d,
        n // 2,
        -n // 2,
        n % 3,
        -n % 3,
        f // 0.2,
        f % 0.2,
        math.fmod(f, 0.4),
        math.remainder(f * 7, 2.0),
    )


@program(*NUMBERS)
def parts_of_numbers(x, f: float, n: int):
    return x, math.gcd(n, 6), math.modf(f * 10)[1], math.ldexp(f, n), round(f * 5), math.floor(f * n), math.ceil(-f * n)


@program(*NUMBERS, refused="must be known")
def factorial_of_an_argument(x, f: float, n: int):
    return x * math.factorial(n)


@program(*NUMBERS)
def lists_of_numbers(x, f: float, n: int):
    a = [n, 2, 3]
    return (
        x,
        a.index(n),
        a.count(n),
        sorted([3, n, 1]),
        n in [2, 5],
        a == [3, 2, 3],
        a != [3, 2, 3],
        [n] * 2,
        [f, 0.1] + [f],
    )


@program(*NUMBERS)
def lists_of_numbers_of_dynamic_length(x, f: float, n: int):
    a = [i * i for i in range(n)]
    return x, a.index(1), a.count(1), a[1:], a[::-1], a == [0, 1, 4], a != [0, 1], a * 2, [7] * n, a[-2:], a[: n - 1]


@program(*NUMBERS)
def sums_of_dynamic_lists(x, f: float, n: int):
    a = [i - 2 for i in range(n)]
    b = [f * i for i in range(n)]
    return x, sum(a), max(a), min(a), sum(b), max(b), sorted(a), len(a)


@program(*NUMBERS)
def writing_dynamic_lists(x, f: float, n: int):
    a = [5 - i for i in range(n)]
    a.insert(1, n)
    a.insert(-1, 7)
    a.insert(100, 8)
    a.insert(-100, 9)
    b = a.pop(1)
    a.remove(8)
    a.sort()
    a.reverse()
    a[-1] = 3
    del a[0]
    return x * b, a


@program((X, "a"), (Y, "a"))
def texts(x, s: str):
    if "{}_{}".format(s, 3) == "a_3" and "%s-%d" % (s, 3) == "a-3":
        x = x + 1
    if ",".join(["a", "b"]) == "a,b" and f"{s}x"[1:] == "x" and s[0] == "a":
        x = x * 2
    if " a ".strip() == "a" and "abc".find("c") == 2 and "1".isdigit() and "abab".count("ab") == 2:
        x = x * 5
    if "a b".split() == ["a", "b"] and "ab".capitalize().swapcase() == "aB" and "a".ljust(3, "-") == "a--":
        x = x - 1
    return x * int("3") * float("1.5")


@program((X,), (Y,))
def more_texts(x):
    a, _, c = "k=v".partition("=")
    found: List[str] = []
    for letter in "abc":
        found.append(letter.upper())
    if a == "k" and c == "v" and "".join(found) == "ABC" and ord("a") == 97 and chr(98) == "b" and "7".zfill(2) == "07":
        x = x * 2
    return x * len("a\nb".splitlines())


@program((X, 2), (Y, 5), refused="text that depends on the input")
def text_of_a_number(x, n: int):
    if str(n) == "2":
        x = x + 1
    return x


@program((X, 1), (X, 4))
def values_of_tensors_as_lists(x, n: int):
    a: List[float] = x[0].tolist()
    b: List[int] = torch.arange(n + 2).tolist()
    return x * a[1], b[-1], len(b)
