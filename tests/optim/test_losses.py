"""Losses against torch, against scikit-learn and against values worked out by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mean_pinball_loss
from torch import nn

from tasks.core.objective import (
    CLASSIFICATION_LOSSES,
    REGRESSION_LOSSES,
    SMOOTHED_LOSSES,
    AutoLoss,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    Hinge,
    Huber,
    LossBlock,
    LossName,
    MeanAbsolute,
    MeanSquared,
    Quantile,
    misfit,
)
from tasks.optim import LOSS_KINDS, losses

BLOCKS = {block().kind: block for block in get_args(LossBlock)}


def test_every_loss_has_a_block_a_name_a_problem_and_a_function():
    assert list(BLOCKS) == list(get_args(LossName)) == ["auto", *LOSS_KINDS]
    assert list(LOSS_KINDS) == [*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES]


def logits(classes, rows=40):
    generator = torch.Generator().manual_seed(classes)
    outputs = 2 * torch.randn(rows, classes, generator=generator)
    return outputs, torch.randint(classes, (rows,), generator=generator)


def test_cross_entropy_of_equal_logits_is_ln_c():
    assert float(losses.cross_entropy(torch.zeros(4, 5), torch.tensor([0, 1, 2, 4]))) == pytest.approx(math.log(5))


def test_label_smoothing_mixes_in_the_uniform_distribution():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    shares = torch.log_softmax(logits, dim=1)[0]
    wanted = -(0.9 * shares[0] + 0.1 * shares.mean())
    assert float(losses.cross_entropy(logits, torch.tensor([0]), smoothing=0.1)) == pytest.approx(
        float(wanted), abs=1e-6
    )


def test_balanced_weights_let_classes_count_alike():
    targets = torch.tensor([0, 0, 0, 2])
    weights = losses.balanced_weights(targets, 3)
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 0.0, 4 / 2])
    assert float(weights[targets].mean()) == pytest.approx(1.0)


def test_class_weights_weigh_the_rows():
    logits, targets = torch.tensor([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]]), torch.tensor([0, 0, 1])
    weights = losses.balanced_weights(targets, 2)
    each = -torch.log_softmax(logits, dim=1)[torch.arange(3), targets]
    wanted = (weights[targets] * each).sum() / weights[targets].sum()
    assert float(losses.build(AutoLoss(), "classification", weights=weights)(logits, targets)) == pytest.approx(
        float(wanted)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_that_of_the_difference_of_two_outputs(smoothing):
    outputs, targets = logits(2)
    wanted = F.binary_cross_entropy_with_logits(
        outputs[:, 1] - outputs[:, 0], targets * (1 - smoothing) + smoothing / 2
    )
    loss = losses.build(BinaryCrossEntropy(), "classification", smoothing=smoothing)
    assert float(loss(outputs, targets)) == pytest.approx(float(wanted), abs=1e-6)
    with pytest.raises(ValueError, match="needs two outputs, and there are 3"):
        loss(*logits(3))


def test_focal_loss_by_hand_and_as_cross_entropy_at_gamma_zero():
    """Of probabilities 3/4 and 1/4 for the right class, weighed by 1/16 and 9/16 at gamma 2."""
    outputs, targets = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]]), torch.tensor([0, 1])
    wanted = (-math.log(3 / 4) / 16 - 9 * math.log(1 / 4) / 16) / 2
    assert float(losses.focal(outputs, targets, gamma=2.0)) == pytest.approx(wanted, rel=1e-6)
    weights = torch.tensor([1.0, 3.0])
    wanted = (-math.log(3 / 4) / 16 - 3 * 9 * math.log(1 / 4) / 16) / 4
    assert float(losses.focal(outputs, targets, gamma=2.0, weights=weights)) == pytest.approx(wanted, rel=1e-6)
    outputs, targets = logits(4)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    ours = losses.build(Focal(gamma=0.0), "classification", weights=weights)(outputs, targets)
    assert float(ours) == pytest.approx(float(F.cross_entropy(outputs, targets, weight=weights)), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_of_a_row_that_is_certain_has_a_finite_gradient(gamma):
    outputs = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    losses.focal(outputs, torch.tensor([0, 0]), gamma=gamma).backward()
    assert bool(outputs.grad.isfinite().all()) and float(outputs.grad.abs().max()) > 0.1


def test_hinge_loss_is_torchs_and_worked_by_hand():
    """Leads of 0.5 and 3 leave 0.5 of the margin, of three classes; then one class lies 2 ahead of the right one."""
    outputs, targets = torch.tensor([[1.0, 0.5, -2.0], [2.0, 0.0, -9.0]]), torch.tensor([0, 1])
    assert float(losses.hinge(outputs, targets)) == pytest.approx((0.5 / 3 + 3 / 3) / 2)
    weights = torch.tensor([3.0, 1.0, 1.0])
    assert float(losses.hinge(outputs, targets, weights=weights)) == pytest.approx((3 * 0.5 / 3 + 1) / 4)
    assert float(losses.build(Hinge(), "classification")(*logits(5))) == pytest.approx(
        float(nn.MultiMarginLoss()(*logits(5)))
    )


@pytest.mark.parametrize("kind", CLASSIFICATION_LOSSES)
def test_class_weights_count_a_row_of_weight_two_twice(kind):
    outputs, targets = torch.tensor([[1.0, 0.0], [0.5, 2.0], [0.3, 0.0]]), torch.tensor([0, 0, 1])
    weighted = losses.build(BLOCKS[kind](), "classification", weights=torch.tensor([1.0, 2.0]))(outputs, targets)
    twice = torch.tensor([0, 1, 2, 2])
    plain = losses.build(BLOCKS[kind](), "classification")(outputs[twice], targets[twice])
    assert float(weighted) == pytest.approx(float(plain), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (MeanSquared(), (0.25 + 9) / 2),
        (MeanAbsolute(), (0.5 + 3) / 2),
        (Huber(), (0.125 + 2.5) / 2),
        (Huber(delta=2.0), (0.125 + 2 * (3 - 1)) / 2),
        (Quantile(), (0.25 + 1.5) / 2),
        (Quantile(quantile=0.9), (0.1 * 0.5 + 0.1 * 3) / 2),
        (AutoLoss(), 4.625),
    ],
    ids=str,
)
def test_losses_of_a_quantity_by_hand(settings, wanted):
    loss = losses.build(settings, "regression")
    outputs, targets = torch.tensor([[0.5], [3.0]]), torch.tensor([0.0, 0.0])
    assert float(loss(outputs, targets)) == pytest.approx(wanted)
    assert float(loss(outputs.reshape(-1), targets)) == pytest.approx(wanted)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.95])
def test_the_quantile_loss_is_scikit_learns_and_smallest_at_the_quantile(quantile):
    targets = torch.randn(1001, generator=torch.Generator().manual_seed(0))
    loss = losses.build(Quantile(quantile=quantile), "regression")
    assert float(loss(torch.full((1001, 1), 0.3), targets)) == pytest.approx(
        mean_pinball_loss(targets, [0.3] * 1001, alpha=quantile), rel=1e-5
    )
    guesses = torch.linspace(-3, 3, 601)
    costs = torch.stack([loss(guess.expand(1001, 1), targets) for guess in guesses])
    assert float(guesses[costs.argmin()]) == pytest.approx(float(targets.quantile(quantile)), abs=0.02)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_loss_goes_with_one_problem_and_smoothing_with_cross_entropies(kind):
    def refused(problem, **more):
        return misfit(BLOCKS[kind](), problem, **{"weights": False, "smoothing": False, **more})

    of_classes = kind in ("auto", *CLASSIFICATION_LOSSES)
    assert (refused("classification") is None) == (refused("classification", weights=True) is None) == of_classes
    assert (refused("classification", smoothing=True) is None) == (kind in SMOOTHED_LOSSES)
    assert (refused("regression") is None) == (kind in ("auto", *REGRESSION_LOSSES))
    assert refused("regression", weights=True) and refused("regression", smoothing=True)


def test_smoothing_reaches_the_loss_where_it_applies():
    outputs, targets = logits(2)
    for block in (AutoLoss(), CrossEntropy(), BinaryCrossEntropy()):
        smooth = losses.build(block, "classification", smoothing=0.3)(outputs, targets)
        assert float(smooth) == pytest.approx(float(F.cross_entropy(outputs, targets, label_smoothing=0.3)))
