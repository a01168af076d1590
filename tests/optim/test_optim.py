"""Optimizers against torch and against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tasks.core.training import (
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Nadam,
    RmsProp,
    Sgd,
)
from tasks.optim import LOSS_KINDS, OPTIMIZER_KINDS, SCHEDULE_KINDS, find, optimizers
from tasks.train.memory import COPIES

CPU = torch.device("cpu")


@pytest.mark.parametrize("table", [OPTIMIZER_KINDS, LOSS_KINDS, SCHEDULE_KINDS], ids=["optimizer", "loss", "schedule"])
def test_every_kind_has_its_function(table):
    assert {kind: find(place).__name__ for kind, place in table.items()} == {kind: kind for kind in table}


OPTIMIZERS = [
    (
        Sgd(kind="sgd", lr=0.1, momentum=0.8, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, 0.1, 0.8, weight_decay=0.01),
    ),
    (Sgd(kind="sgd", lr=0.1, nesterov=True), lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True)),
    (Adam(kind="adam", lr=0.1, weight_decay=0.01), lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.01)),
    (AdamW(lr=0.1, weight_decay=0.2), lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.2)),
    (
        RmsProp(kind="rmsprop", lr=0.1, alpha=0.9, momentum=0.5, weight_decay=0.01),
        lambda p: torch.optim.RMSprop(p, 0.1, alpha=0.9, momentum=0.5, weight_decay=0.01),
    ),
    (AdaGrad(kind="adagrad", lr=0.1, weight_decay=0.01), lambda p: torch.optim.Adagrad(p, 0.1, weight_decay=0.01)),
    (
        AdaDelta(kind="adadelta", lr=2.0, rho=0.8, weight_decay=0.01),
        lambda p: torch.optim.Adadelta(p, 2.0, rho=0.8, weight_decay=0.01),
    ),
    (Nadam(kind="nadam", lr=0.1, weight_decay=0.01), lambda p: torch.optim.NAdam(p, 0.1, weight_decay=0.01)),
]


def test_every_kind_of_optimizer_is_compared_with_torchs():
    assert {settings.kind for settings, _ in OPTIMIZERS} == set(OPTIMIZER_KINDS) == set(COPIES)


@pytest.mark.parametrize(
    ("settings", "reference"), OPTIMIZERS, ids=[f"{settings.kind}-{n}" for n, (settings, _) in enumerate(OPTIMIZERS)]
)
def test_an_optimizer_moves_as_torchs_own_does(settings, reference):
    ours, theirs = nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.tensor([1.0, -2.0]))
    steps = [(ours, optimizers.build([ours], settings, CPU)), (theirs, reference([theirs]))]
    for parameter, optimizer in steps:
        for _ in range(5):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6) and not torch.equal(ours, torch.tensor([1.0, -2.0]))


def test_adams_first_step_is_the_learning_rate():
    parameter = nn.Parameter(torch.tensor([5.0]))
    optimizer = optimizers.build([parameter], Adam(kind="adam", lr=0.25), CPU)
    (3 * parameter).sum().backward()
    optimizer.step()
    assert parameter.item() == pytest.approx(4.75, abs=1e-6)


def test_frozen_parameters_are_left_out():
    frozen, free = nn.Parameter(torch.ones(1), requires_grad=False), nn.Parameter(torch.ones(1))
    optimizer = optimizers.build([frozen, free], Sgd(kind="sgd"), CPU)
    assert [parameter is free for group in optimizer.param_groups for parameter in group["params"]] == [True]


def test_the_first_steps_of_the_adaptive_methods_by_hand():
    """AdaGrad moves by the rate, RMSProp by rate / √(1 − α), AdaDelta by rate · √(ε / (1 − ρ)), however steep."""
    wanted = {
        AdaGrad(kind="adagrad", lr=0.25): 0.25,
        RmsProp(kind="rmsprop", lr=0.01, alpha=0.99): 0.01 / math.sqrt(0.01),
        AdaDelta(kind="adadelta", lr=1.0, rho=0.9): math.sqrt(1e-6 / 0.1),
    }
    for settings, step in wanted.items():
        parameter = nn.Parameter(torch.tensor([5.0]))
        optimizer = optimizers.build([parameter], settings, CPU)
        (3 * parameter).sum().backward()
        optimizer.step()
        assert 5.0 - parameter.item() == pytest.approx(step, abs=1e-6), settings.kind


@pytest.mark.parametrize("settings", [settings for settings, _ in OPTIMIZERS], ids=lambda settings: settings.kind)
def test_an_optimizer_keeps_no_more_than_the_memory_estimate_says(settings):
    parameter = nn.Parameter(torch.ones(100))
    optimizer = optimizers.build([parameter], settings, CPU)
    parameter.sum().backward()
    optimizer.step()
    kept = sum(value.numel() for value in optimizer.state[parameter].values() if isinstance(value, torch.Tensor))
    assert 100 * (COPIES[settings.kind] - 1) < kept < 100 * COPIES[settings.kind] + 10


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValidationError, match="nesterov needs momentum above 0"):
        Sgd(kind="sgd", momentum=0.0, nesterov=True)
