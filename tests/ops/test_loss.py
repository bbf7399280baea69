"""Loss functions with each reduction."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.ops.harness import Case

X = torch.linspace(-2, 2.5, 12).reshape(4, 3)
TARGET = X.flip(0) * 0.75
UNIT, UNIT_TARGET = X.sigmoid(), TARGET.sigmoid()
SIGNS = torch.tensor([1.0, -1.0, -1.0, 1.0])
CLASSES = torch.tensor([0, 2, 1, -100])
WEIGHT = torch.tensor([0.5, 2.0, 1.25])
IMAGE = torch.linspace(-3, 3, 48).reshape(2, 3, 4, 2).sin()
LABELS = (torch.arange(16).reshape(2, 4, 2) * 5) % 3
BOTH = {0: (0,), 1: (0,)}
REDUCTIONS = ("none", "mean", "sum")
#: Where the operators of this family changed.
FEW_OPSETS = (11, 13, 18, 23)


def cases(name, loss, x=X, target=TARGET, since=7):
    """A loss with each reduction, on a batch and on a smaller one."""
    return [
        Case(f"{name}-{r}", lambda a, b, r=r: loss(a, b, reduction=r), (x, target), (x[:2], target[:2]), BOTH, since)
        for r in REDUCTIONS
    ]


def with_classes(name, **options):
    """The cross entropy of classes, of rows and of images."""
    classes = CLASSES if "ignore_index" not in options else CLASSES.clamp(min=0)
    return [
        *cases(name, lambda a, b, reduction: F.cross_entropy(a, b, reduction=reduction, **options), X, classes, 11),
        *cases(
            f"{name}-2d",
            lambda a, b, reduction: F.cross_entropy(a, b, reduction=reduction, **options),
            IMAGE,
            LABELS,
            11,
        ),
    ]


CASES = [
    *cases("mse", F.mse_loss),
    *cases("l1", F.l1_loss),
    *cases("smooth-l1", lambda a, b, reduction: F.smooth_l1_loss(a, b, reduction=reduction, beta=0.75)),
    *cases("huber", lambda a, b, reduction: F.huber_loss(a, b, reduction=reduction, delta=0.75)),
    *cases("bce", F.binary_cross_entropy, UNIT, UNIT_TARGET),
    *cases("bce-certain", F.binary_cross_entropy, (X > 0).float(), (TARGET > 0).float()),
    *cases("bce-weight", lambda a, b, reduction: F.binary_cross_entropy(a, b, WEIGHT, reduction=reduction), UNIT, UNIT),
    *cases("bce-logits", F.binary_cross_entropy_with_logits, X * 20, UNIT_TARGET),
    *cases(
        "bce-logits-weights",
        lambda a, b, reduction: F.binary_cross_entropy_with_logits(
            a, b, WEIGHT, reduction=reduction, pos_weight=WEIGHT
        ),
        X,
        UNIT_TARGET,
    ),
    *cases("kl-div", F.kl_div, X, UNIT_TARGET.clamp(min=0.3) - 0.3),
    *cases("kl-div-log", lambda a, b, reduction: F.kl_div(a, b, reduction=reduction, log_target=True)),
    *cases("soft-margin", F.soft_margin_loss, X, TARGET.sign()),
    *cases("hinge", lambda a, b, reduction: F.hinge_embedding_loss(a, b, 0.5, reduction=reduction), X, SIGNS[:, None]),
    *cases(
        "ranking",
        lambda a, b, reduction: F.margin_ranking_loss(a[:, 0], a[:, 1], b[:, 0].sign(), 0.1, reduction=reduction),
    ),
    *cases(
        "cosine", lambda a, b, reduction: F.cosine_embedding_loss(a, a * 2 - 1, b, 0.1, reduction=reduction), X, SIGNS
    ),
    *cases("triplet", lambda a, b, reduction: F.triplet_margin_loss(a, b, a * 2, swap=True, reduction=reduction)),
    *cases("poisson", lambda a, b, reduction: F.poisson_nll_loss(a, b, reduction=reduction, full=True), X, UNIT * 3),
    *cases(
        "poisson-rate", lambda a, b, reduction: F.poisson_nll_loss(a, b, False, reduction=reduction), UNIT, UNIT * 3
    ),
    *cases("multi-margin", F.multi_margin_loss, X, CLASSES.clamp(min=0), 11),
    *cases(
        "multi-margin-2",
        lambda a, b, reduction: F.multi_margin_loss(a, b, 2, 0.5, WEIGHT, reduction=reduction),
        X,
        CLASSES.clamp(min=0),
        11,
    ),
    *cases("multilabel-soft", F.multilabel_soft_margin_loss, X, (TARGET > 0).float()),
    *cases(
        "nll",
        lambda a, b, reduction: F.nll_loss(a, b, WEIGHT, ignore_index=1, reduction=reduction),
        X,
        CLASSES.clamp(min=0),
        11,
    ),
    *with_classes("cross-entropy"),
    *with_classes("cross-entropy-weight", weight=WEIGHT),
    *with_classes("cross-entropy-smooth", label_smoothing=0.2, ignore_index=2),
    *with_classes("cross-entropy-all", weight=WEIGHT, label_smoothing=0.2),
    *cases(
        "cross-entropy-probabilities",
        lambda a, b, reduction: F.cross_entropy(a, b, WEIGHT, reduction=reduction, label_smoothing=0.1),
        X,
        UNIT,
    ),
    Case("cross-entropy-unbatched", F.cross_entropy, (X[0], torch.tensor(2)), None, {}, 11),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case) -> None:
    case.check(FEW_OPSETS)
