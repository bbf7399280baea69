"""Sums, means, products, extremes, norms, variances, order statistics, running sums."""

from __future__ import annotations

import math

import pytest
import torch

from tests.ops.harness import Case

nan, inf = math.nan, math.inf
X = torch.tensor([[[1.5, -2.25, 0.0, 4.0], [-0.5, 0.5, -7.5, 3.0], [3.0, 3.0, -1.0, 0.0]]]).repeat(2, 1, 1)
X[1] *= -0.5
Y = torch.linspace(-2, 3, 40).reshape(4, 2, 5).sin()
NUMBER = torch.tensor(2.5)
INTS = torch.tensor([[3, -4, 3, 7], [0, 5, 5, -2]])
OTHER_INTS = torch.tensor([[6, 6, -1], [2, 2, 2], [9, -9, 0]])
MASK = INTS > 2
EMPTY = torch.zeros(0, 3)
ALL = {0: (0, 1, 2)}
FLAT = {0: (0, 1)}
#: Where the operators of this family changed.
FEW_OPSETS = (7, 11, 13, 18, 20, 23)


def case(name, function, *, since=7, **options):
    return Case(name, function, (X,), (Y,), ALL, since, tolerance=1e-5, **options)


def ints(name, function, *, since=7):
    return Case(name, function, (INTS,), (OTHER_INTS,), FLAT, since)


SUMS = [
    case("sum", torch.sum, nodes={18: ["ReduceSum"]}),
    case("sum-dim", lambda x: x.sum(-1), nodes={18: ["ReduceSum"]}),
    case("sum-dims-keep", lambda x: x.sum((0, -1), keepdim=True), nodes={18: ["ReduceSum"]}),
    case("sum-double", lambda x: x.sum(1, dtype=torch.float64)),
    Case("sum-number", lambda x: (x.sum(), x.sum(0), x.mean(), x.amax(), x.prod(0)), (NUMBER,)),
    Case("sum-empty", lambda x: (x.sum(0), x.prod(0), x.sum(), x.mean(0)), (EMPTY,)),
    ints("sum-int", lambda x: x.int().sum(0)),
    Case("sum-bool", torch.sum, (MASK,), (MASK.T,), FLAT),
    Case("nansum", lambda x: x.nansum(0), (torch.tensor([[1.0, nan], [2.0, 3.0]]),), None, FLAT),
    case("mean", torch.mean, nodes={18: ["ReduceMean"]}),
    case("mean-dims", lambda x: x.mean((1, 2)), nodes={18: ["ReduceMean"]}),
    ints("mean-of-int", lambda x: x.mean(0, dtype=torch.float32)),
    Case("nanmean", lambda x: x.nanmean(0), (torch.tensor([[1.0, nan], [2.0, 3.0]]),), None, FLAT),
    case("prod", torch.prod),
    case("prod-dim", lambda x: x.prod(1, keepdim=True)),
    ints("prod-int", lambda x: x.prod(1)),
    ints("count-nonzero", torch.count_nonzero),
    ints("count-nonzero-dim", lambda x: torch.count_nonzero(x, 0)),
    case("logsumexp", lambda x: x.logsumexp((0, 2))),
    Case("logsumexp-inf", lambda x: x.logsumexp(1), (torch.tensor([[-inf, -inf], [1000.0, 1000.0], [inf, 1.0]]),)),
    Case("trace", torch.trace, (X[0],), (Y[0],), FLAT),
    Case("trace-known", torch.trace, (INTS,), None),
]

EXTREMES = [
    case("max", lambda x: (x.max(), x.min())),
    case("max-dim", lambda x: x.max(1), nodes={18: ["ReduceMax", "ArgMax"]}),
    case("min-dim-keep", lambda x: x.min(-1, keepdim=True)),
    case("max-values-only", lambda x: x.max(1).values * 2),
    case("amax", lambda x: x.amax((0, 2)), nodes={18: ["ReduceMax"]}),
    case("amin-keep", lambda x: x.amin(1, keepdim=True)),
    case("aminmax", lambda x: torch.aminmax(x, dim=1)),
    ints("max-int", lambda x: x.max(0)),
    Case("max-bool", lambda x: (x.amax(0), x.amin()), (MASK,), (MASK.T,), FLAT),
    case("argmax", torch.argmax),
    case("argmax-all-keep", lambda x: torch.argmax(x, None, True)),
    case("argmin-dim", lambda x: x.argmin(2)),
    ints("argmax-ties", lambda x: (x.argmax(1), x.argmin(1, keepdim=True))),
    Case("argmax-number", lambda x: (x.argmax(), x.argmax(0), x.max(0)), (NUMBER,)),
    ints("all-any", lambda x: (x.all(), x.any(), x.all(0), x.any(1, keepdim=True))),
    Case("all-any-float", lambda x: ((x * 0.25).all(1), (x * 0.25).any(1)), (X[0],), (Y[0],), FLAT),
    Case("all-any-of-nothing", lambda m: (m.all(0), m.any(0), m.all(), m.any()), (MASK,), (MASK[:0],), {0: (0,)}),
    ints("all-dims", lambda x: (torch.all(x > 0, dim=(0, 1)), torch.any(x > 6, dim=(0,)))),
    Case("any-bytes", lambda x: x.byte().any(0), (MASK,), None, FLAT),
]

NORMS = [
    *(
        case(f"norm-{p}", lambda x, p=p: (torch.linalg.vector_norm(x, p), torch.linalg.vector_norm(x, p, (0, 2), True)))
        for p in (0, 0.5, 1, 2, 3, inf, -inf)
    ),
    case("norm", lambda x: (x.norm(), x.norm(1, 1), x.norm(dim=-1, keepdim=True), x.norm("fro", (1, 2)))),
    case("norm-double", lambda x: torch.linalg.vector_norm(x, dtype=torch.float64)),
    Case(
        "norm-number", lambda x: (x.norm(), torch.linalg.vector_norm(-x, 3), torch.linalg.vector_norm(x, 0)), (NUMBER,)
    ),
    *(case(f"matrix-norm-{p}", lambda x, p=p: torch.linalg.matrix_norm(x, p)) for p in ("fro", 1, -1, inf, -inf)),
    case("linalg-norm", lambda x: (torch.linalg.norm(x), torch.linalg.norm(x, 1, (0, 1), keepdim=True))),
    case("normalize", lambda x: torch.nn.functional.normalize(x, dim=1)),
    case("renorm", lambda x: x.renorm(2, 1, 1.5)),
    Case(
        "dist",
        lambda x, y: (torch.dist(x, y), torch.dist(x, y, 1)),
        (X, X * 0.5),
        (Y, Y * 2),
        {0: (0, 1, 2), 1: (0, 1, 2)},
    ),
    Case(
        "cosine",
        lambda x, y: torch.cosine_similarity(x, y, 1),
        (X, X[:1] + 1),
        (Y, Y[:1] + 1),
        {0: (0, 1, 2), 1: (1, 2)},
    ),
    Case("cosine-repeated", lambda x, y: torch.cosine_similarity(x, y, -1), (X, X[..., :1]), None),
    Case("pairwise", torch.pairwise_distance, (X[0], X[1]), None, {0: (0, 1), 1: (0, 1)}),
    *(Case(f"cdist-{p}", lambda x, y, p=p: torch.cdist(x, y, p), (X, X[:, :2] + 1), None, ALL) for p in (0, 1, 2, inf)),
    Case("pdist", torch.pdist, (X[0],), (Y[0],), FLAT),
    Case("pdist-known", torch.pdist, (X[0],), None, {0: (1,)}),
]

VARIANCES = [
    case("var", torch.var),
    case("std-dim", lambda x: x.std(1)),
    case("std-biased", lambda x: x.std((0, -1), unbiased=False, keepdim=True)),
    *(case(f"var-correction-{c}", lambda x, c=c: torch.var(x, dim=-1, correction=c)) for c in (0, 1, 1.5, 2)),
    case("var-mean", lambda x: torch.var_mean(x, 1)),
    case("std-mean-keep", lambda x: torch.std_mean(x, (0, 1), keepdim=True)),
    Case("var-of-one", lambda x: (x.var(0), x.std(), x.var(0, unbiased=False)), (NUMBER,)),
    Case("var-of-row", lambda x: x.var(0), (X[0, :1],), (X[0],), FLAT),
    Case("var-half", lambda x: x.var(-1), (X.half() * 200,), None, ALL, tolerance=2e-3),
]

ROWS = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
OFTEN, WORTH = torch.tensor([1, 2, 3, 1, 2, 1]), torch.tensor([0.5, 0.25, 1.0, 2.0, 0.125, 0.75])
VARIANCES += [
    Case("cov-frequencies", lambda x, f: torch.cov(x, fweights=f), (ROWS, OFTEN)),
    Case("cov-of-one-variable", lambda x, a: torch.cov(x, correction=0, aweights=a), (ROWS[0], WORTH)),
    *(
        Case(
            f"cov-weights-{correction}",
            lambda x, f, a, correction=correction: torch.cov(x, correction=correction, fweights=f, aweights=a),
            (ROWS, OFTEN, WORTH),
            (ROWS[:, :4], OFTEN[:4], WORTH[:4]),
            {0: {1: "n"}, 1: {0: "n"}, 2: {0: "n"}},
        )
        for correction in range(3)
    ),
]

ORDER = [
    case("median", torch.median, since=10),
    ints("median-dim", lambda x: x.median(1).values, since=11),
    Case("median-nan", lambda x: x.median(1), (torch.tensor([[1.0, nan, 0.0], [3.0, 1.0, 2.0]]),), None, FLAT, 10),
    Case("nanmedian", lambda x: x.nanmedian(1), (torch.tensor([[1.0, nan, 0.0], [nan, nan, nan]]),), None, FLAT, 11),
    case("kthvalue", lambda x: x.kthvalue(2, 1)),
    *(
        case(f"quantile-{i}", lambda x, i=i: x.quantile(torch.tensor([0.1, 0.7]), 1, interpolation=i), since=10)
        for i in ("linear", "lower", "higher", "nearest", "midpoint")
    ),
    case("quantile-all", lambda x: (x.quantile(0.3), x.quantile(0.3, keepdim=True)), since=10),
    case("quantile-keep", lambda x: x.quantile(0.3, -1, keepdim=True), since=10),
    Case("quantile-nan", lambda x: x.quantile(0.5, 1), (torch.tensor([[1.0, nan], [3.0, 2.0]]),)),
]

RUNNING = [
    case("cumsum", lambda x: x.cumsum(1), nodes={18: ["CumSum"]}),
    ints("cumsum-int", lambda x: x.int().cumsum(-1)),
    Case("cumsum-bool", lambda x: x.cumsum(0), (MASK,), (MASK.T,), FLAT),
    Case("cumsum-number", lambda x: (x.cumsum(0), x.cumprod(0), x.cummax(0)), (NUMBER,)),
    case("cumprod", lambda x: x.cumprod(-1), since=9),
    ints("cumprod-int", lambda x: x.cumprod(0), since=9),
    case("cummax", lambda x: x.cummax(1), since=9),
    ints("cummin-ties", lambda x: x.cummin(1), since=9),
    Case(
        "cummax-nan",
        lambda x: x.cummax(0),
        (torch.tensor([1.0, nan, 5.0, nan, 2.0]),),
        (NUMBER.repeat(2),),
        {0: (0,)},
        9,
    ),
    Case("logcumsumexp", lambda x: x.logcumsumexp(0), (torch.tensor([-inf, -inf, 1.0, 500.0]),), None, {0: (0,)}, 9),
    case("diff", lambda x: x.diff(dim=1)),
    case("diff-twice", lambda x: x.diff(2, -1, prepend=x[..., :1], append=x[..., -1:])),
    Case("diff-bool", lambda x: x.diff(dim=1), (MASK,), (MASK.T,), FLAT),
    case("trapezoid", lambda x: (torch.trapezoid(x), torch.trapezoid(x, dx=0.5, dim=1))),
    Case(
        "trapezoid-points",
        lambda x: torch.trapezoid(x, torch.tensor([0.0, 1.0, 4.0]), dim=1),
        (X,),
        (X[:1],),
        {0: (0, 2)},
    ),
    case("cumulative-trapezoid", lambda x: torch.cumulative_trapezoid(x, dim=1)),
    Case("cross", lambda x, y: torch.linalg.cross(x, y, dim=1), (X, X.flip(0)), None, {0: (0, 2), 1: (0, 2)}),
    Case("cross-found", torch.cross, (X, X.flip(0)), None),
]


# torch warns of the cases that it calls degenerate or deprecated, which are here on purpose.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", SUMS + EXTREMES + NORMS + VARIANCES + ORDER + RUNNING, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
