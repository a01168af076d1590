"""Schedules against torch's and against values worked out by hand."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

from tasks.core.training import (
    ConstantSchedule,
    CosineSchedule,
    EarlyStopping,
    OneCycleSchedule,
    PlateauSchedule,
    StepSchedule,
    Training,
)
from tasks.optim import SCHEDULE_KINDS, schedules

SCHEDULES = [
    ConstantSchedule(kind="constant"),
    CosineSchedule(floor=0.1, warmup=0.2),
    StepSchedule(kind="step"),
    OneCycleSchedule(kind="one_cycle"),
    PlateauSchedule(kind="plateau"),
]


def rates(make, steps):
    """Learning rates of torch's own schedule over so many steps, from a rate of 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    theirs, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    return found


def test_every_kind_of_schedule_is_tried():
    assert [settings.kind for settings in SCHEDULES] == list(SCHEDULE_KINDS)


@pytest.mark.parametrize("settings", SCHEDULES, ids=lambda settings: settings.kind)
@pytest.mark.parametrize("steps", [1, 2, 3, 50, 997])
def test_a_factor_is_positive_and_at_most_one_at_every_step(settings, steps):
    factor = schedules.build(settings, [1.0] * 30)
    found = [factor(step, steps) for step in range(steps)]
    assert all(0 < value <= 1 for value in found)
    assert found == [factor(step, steps) for step in range(steps)]


def test_a_constant_schedule_stays():
    factor = schedules.build(ConstantSchedule(kind="constant"))
    assert [factor(step, 10) for step in (0, 5, 10)] == [1, 1, 1]


def test_a_cosine_falls_from_one_to_its_floor():
    factor = schedules.build(CosineSchedule(floor=0.2))
    assert [factor(step, 10) for step in (0, 5, 10, 99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert schedules.cosine(0, 0) == pytest.approx(1.0)


def test_the_cosine_is_torchs():
    theirs = rates(lambda optimizer: CosineAnnealingLR(optimizer, T_max=7, eta_min=0.1), 7)
    assert [schedules.cosine(step, 7, floor=0.1) for step in range(7)] == pytest.approx(theirs)


def test_a_warmup_rises_evenly_and_the_cosine_starts_behind_it():
    """Twenty steps, of which four rise: 1/4 to 1; the other sixteen are a cosine of their own."""
    factor = schedules.build(CosineSchedule(floor=0.2, warmup=0.2))
    assert [factor(step, 20) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert [factor(4 + step, 20) for step in range(17)] == pytest.approx(
        [schedules.cosine(step, 16, floor=0.2) for step in range(17)]
    )


def test_a_warmup_of_a_share_that_is_no_whole_step_never_exceeds_one():
    assert [schedules.cosine(step, 7, warmup=0.2) for step in range(2)] == pytest.approx([1 / 1.4, 1.0])


def test_steps_fall_as_torchs_do():
    factor = schedules.build(StepSchedule(kind="step", every=0.1, factor=0.5))
    theirs = rates(lambda optimizer: StepLR(optimizer, step_size=10, gamma=0.5), 100)
    assert [factor(step, 100) for step in range(100)] == pytest.approx(theirs)
    # 0.3 / 0.1 is 2.9999999999999996 in floating point: the third fall must not be a step late.
    assert factor(3, 10) == pytest.approx(0.125)


@pytest.mark.parametrize("steps", [10, 100, 333])
def test_one_cycle_is_torchs(steps):
    settings = OneCycleSchedule(kind="one_cycle", warmup=0.25, start=0.1, floor=0.001)

    def theirs(optimizer):
        options = {"pct_start": 0.25, "div_factor": 10, "final_div_factor": 100, "cycle_momentum": False}
        return OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, **options)

    factor = schedules.build(settings)
    assert [factor(step, steps) for step in range(steps)] == pytest.approx(rates(theirs, steps))
    assert factor(0, steps) == pytest.approx(0.1) and factor(steps - 1, steps) == pytest.approx(0.001)


LOSSES = [1.0, 0.8, 0.9, 0.85, 0.8, 0.7, 0.7, 0.7, 0.75, 0.9, None, 0.9, 0.9, 0.69, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_plateau_is_torchs_whose_patience_counts_one_epoch_less(patience):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=patience - 1, threshold=0, min_lr=0.01, eps=0)
    settings = PlateauSchedule(kind="plateau", factor=0.5, patience=patience, floor=0.01)
    levels = []
    for epoch in range(len(LOSSES) + 1):
        levels.append(schedules.build(settings, LOSSES[:epoch])(7, 99))
        assert levels[-1] == pytest.approx(optimizer.param_groups[0]["lr"])
        if epoch < len(LOSSES):
            theirs.step(float("inf") if LOSSES[epoch] is None else LOSSES[epoch])
    assert len(set(levels)) > 2


def test_a_plateau_that_training_would_not_live_to_see_is_refused():
    plateau = PlateauSchedule(kind="plateau", patience=10)
    with pytest.raises(ValidationError, match=r"schedule\.patience is 10, and early_stopping\.patience 10 ends"):
        Training(schedule=plateau)
    Training(schedule=plateau, early_stopping=EarlyStopping(patience=11))
    Training(schedule=plateau, early_stopping=None)
    Training(schedule=PlateauSchedule(kind="plateau"))
