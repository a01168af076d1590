"""Every optimizer, loss and schedule trains in the real loop, and resumes to the bits of an uninterrupted training."""

from __future__ import annotations

import pytest
import torch

from tasks.core.objective import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, Quantile
from tasks.core.recipe import Mlp
from tasks.core.training import (
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    ConstantSchedule,
    CosineSchedule,
    Nadam,
    OneCycleSchedule,
    PlateauSchedule,
    RmsProp,
    Sgd,
    StepSchedule,
)
from tasks.optim import OPTIMIZER_KINDS, SCHEDULE_KINDS
from tasks.train.batches import Rows
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after

OPTIMIZERS = [
    Sgd(kind="sgd"),
    Adam(kind="adam", lr=0.02),
    AdamW(lr=0.02),
    RmsProp(kind="rmsprop", lr=0.01, momentum=0.5),
    AdaGrad(kind="adagrad", lr=0.1),
    AdaDelta(kind="adadelta", lr=20.0),
    Nadam(kind="nadam", lr=0.02),
]


SCHEDULES = [
    ConstantSchedule(kind="constant"),
    CosineSchedule(warmup=0.25),
    StepSchedule(kind="step", every=0.25),
    OneCycleSchedule(kind="one_cycle"),
    PlateauSchedule(kind="plateau", patience=1, factor=0.5),
]


def test_every_kind_of_optimizer_and_schedule_is_tried():
    assert [settings.kind for settings in OPTIMIZERS] == list(OPTIMIZER_KINDS)
    assert [settings.kind for settings in SCHEDULES] == list(SCHEDULE_KINDS)


@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda settings: settings.kind)
def test_a_training_learns(make_job, problem, optimizer):
    job = make_job(problem, epochs=20, optimizer=optimizer, early_stopping=None)
    history = fit(job).progress.history
    assert history[-1]["validation_loss"] < 0.6 * history[0]["validation_loss"]
    assert [row["epoch"] for row in history] == list(range(1, 21))


@pytest.mark.parametrize("loss", [*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES])
def test_a_training_learns_by_every_loss(make_job, loss):
    problem = "classification" if loss in CLASSIFICATION_LOSSES else "regression"
    history = fit(make_job(problem, epochs=20, loss=loss, optimizer=AdamW(lr=0.02))).progress.history
    assert history[-1]["validation_loss"] < 0.6 * history[0]["validation_loss"]


def test_a_quantile_leaves_that_share_of_the_targets_below(make_job):
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0))
    rows = Rows(torch.zeros(400, 3), noise, torch.device("cpu"))
    loss = Quantile(quantile=0.8)
    model, schedule = Mlp(hidden=(), dropout=0.0), CosineSchedule()
    settings = {"epochs": 30, "loss": loss, "optimizer": AdamW(lr=0.05), "model": model, "schedule": schedule}
    job = make_job("regression", job={"train": rows, "validation": rows}, **settings)
    fit(job)
    with torch.no_grad():
        below = noise < job.network(rows.inputs).reshape(-1)
    assert float(below.float().mean()) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("size", [1, 16, 64], ids=["one row", "mini-batch", "all rows"])
def test_gradient_descent_learns_by_the_row_by_mini_batches_and_by_all_rows(make_job, size):
    optimizer = Sgd(kind="sgd", lr=0.02 if size == 1 else 0.2, momentum=0.0)
    job = make_job(epochs=40, batch_size=size, optimizer=optimizer, early_stopping=None)
    history = fit(job).progress.history
    assert history[-1]["validation_loss"] < 0.7 * history[0]["validation_loss"]


@pytest.mark.parametrize("interrupted_at", [1, 2, 5])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda settings: settings.kind)
def test_a_resumed_training_gives_the_bits_of_an_uninterrupted_one(make_job, tmp_path, optimizer, interrupted_at):
    settings = {"epochs": 6, "optimizer": optimizer, "model": Mlp(hidden=(8,), dropout=0.5, batch_norm=True)}
    whole = fit(make_job(folder=folder(tmp_path, "whole"), **settings))
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut"), **settings), [stop_after(interrupted_at)])
    seen = []
    resumed = fit(make_job(folder=folder(tmp_path, "cut"), **settings), [lambda progress: seen.append(progress.epoch)])
    assert resumed.weights_sha256 == whole.weights_sha256
    # The epoch that was interrupted had no checkpoint yet, and is the first to be done again.
    assert seen == list(range(interrupted_at, 7))
    assert measured(resumed) == measured(whole)


@pytest.mark.parametrize("interrupted_at", [3, 6, 8])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda settings: settings.kind)
def test_a_schedule_goes_on_where_it_was_interrupted(make_job, tmp_path, schedule, interrupted_at):
    settings = {"epochs": 10, "optimizer": Sgd(kind="sgd", lr=2.0), "schedule": schedule, "early_stopping": None}
    whole = fit(make_job(folder=folder(tmp_path, "whole"), **settings))
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut"), **settings), [stop_after(interrupted_at)])
    resumed = fit(make_job(folder=folder(tmp_path, "cut"), **settings))
    assert resumed.weights_sha256 == whole.weights_sha256 and measured(resumed) == measured(whole)
    rates = {row["learning_rate"] for row in whole.progress.history}
    assert (len(rates) == 1) == (schedule.kind == "constant")


def test_a_plateau_lowers_the_rate_of_the_epoch_after_it_was_seen(make_job):
    schedule = PlateauSchedule(kind="plateau", patience=2, factor=0.5)
    optimizer = Sgd(kind="sgd", lr=1e-12)
    model = Mlp(hidden=(8,), dropout=0.0)
    job = make_job(epochs=7, optimizer=optimizer, schedule=schedule, model=model, early_stopping=None)
    history = fit(job).progress.history
    assert len({row["validation_loss"] for row in history}) == 1
    # The first epoch has the lowest loss; every second one after it is the end of a patience.
    assert [row["learning_rate"] / 1e-12 for row in history] == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def measured(fitted):
    """The history without the seconds, which differ."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in fitted.progress.history]
