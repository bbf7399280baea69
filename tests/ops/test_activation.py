"""Activation functions and softmax."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from tests.ops.harness import Case

X = torch.tensor([[[1.5, -2.25, 0.0, 21.0], [-0.5, 0.5, -7.5, 3.0]]]).repeat(2, 1, 1)
Y = torch.tensor([[[0.25, -30.0, 4.0, -4.0, 1.0, -1.0]]]).expand(3, 2, 6)
INTS = torch.tensor([-3, 0, 5, 9])
ALL = {0: (0, 1, 2)}
#: Where the operators of this family changed.
FEW_OPSETS = (7, 11, 13, 16, 18, 20, 23)


def case(name, function, **options):
    return Case(name, function, (X,), (Y,), ALL, **options)


ACTIVATIONS = [
    case("relu", F.relu, nodes={18: ["Relu"]}),
    Case("relu-int", F.relu, (INTS,), (INTS[1:],), {0: (0,)}),
    case("relu6", F.relu6, nodes={18: ["Clip"]}),
    case("hardtanh", lambda x: F.hardtanh(x, -0.75, 1.25)),
    Case("hardtanh-int", lambda x: F.hardtanh(x, -1, 6), (INTS,), (INTS[1:],), {0: (0,)}),
    case("leaky-relu", lambda x: F.leaky_relu(x, 0.2), nodes={18: ["LeakyRelu"]}),
    case("rrelu-eval", F.rrelu),
    case("prelu-module", torch.nn.PReLU(), nodes={18: ["PRelu"]}),
    case("elu", lambda x: F.elu(x, 0.7), nodes={18: ["Elu"]}),
    case("elu-scaled", lambda x: torch.ops.aten.elu(x, 1.5, 0.7, 0.5)),
    case("selu", F.selu, nodes={18: ["Selu"]}),
    case("celu", lambda x: F.celu(x, 0.5)),
    case("celu-1", F.celu),
    case("gelu", F.gelu, nodes={20: ["Gelu"]}),
    case("gelu-tanh", lambda x: F.gelu(x, approximate="tanh"), nodes={20: ["Gelu"]}),
    case("silu", F.silu, nodes={18: ["Sigmoid", "Mul"]}),
    case("mish", F.mish, nodes={18: ["Mish"]}),
    case("softplus", F.softplus, nodes={18: ["Softplus"]}),
    case("softplus-beta", lambda x: F.softplus(x, beta=2.0, threshold=3.0)),
    case("softsign", F.softsign),
    case("softshrink", lambda x: F.softshrink(x, 0.4)),
    case("hardshrink", lambda x: F.hardshrink(x, 0.4)),
    case("tanhshrink", F.tanhshrink),
    case("hardsigmoid", F.hardsigmoid, nodes={18: ["HardSigmoid"]}),
    case("hardswish", F.hardswish),
    case("logsigmoid", F.logsigmoid),
    case("glu", F.glu, nodes={18: ["Split", "Sigmoid", "Mul"]}),
    case("glu-first", lambda x: F.glu(x.transpose(0, 2), 0)),
    Case("prelu-channels", F.prelu, (X, torch.tensor([0.1, 0.3])), (Y, torch.tensor([0.2, 0.4])), ALL),
    Case("prelu-rank-2", F.prelu, (X[0].T, torch.tensor([0.1, 0.3])), None, {0: (0,)}),
]

SOFTMAX = [
    case("softmax", lambda x: F.softmax(x, -1), nodes={13: ["Softmax"], 18: ["Softmax"]}),
    case("softmax-middle", lambda x: F.softmax(x, 1), nodes={13: ["Softmax"]}),
    case("softmin", lambda x: F.softmin(x, 0)),
    case("softmax-double", lambda x: F.softmax(x, -1, dtype=torch.float64)),
    Case("softmax-int", lambda x: F.softmax(x, 0, dtype=torch.float32), (INTS,), (INTS[1:],), {0: (0,)}),
    Case("softmax-number", lambda x: F.softmax(x, 0), (torch.tensor(3.0),)),
    case("log-softmax", lambda x: F.log_softmax(x, 2), nodes={13: ["LogSoftmax"]}),
    Case(
        "safe-softmax", lambda x: torch.ops.aten._safe_softmax(x, -1), (X.masked_fill(X < 1e9, -math.inf),), (Y,), ALL
    ),
]


@pytest.mark.parametrize("case", ACTIVATIONS + SOFTMAX, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
