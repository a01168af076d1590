"""Sizes of gradients, weights and updates: by hand, in the loop, and without a part in the training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.core.recipe import Mlp
from tasks.core.training import ConstantSchedule, Sgd
from tasks.evaluate.figures import training_figures
from tasks.train import checkpoints, norms
from tasks.train.loop import fit


def test_the_norms_by_hand():
    """Weights (3, 4) move by (0.3, 0.4) against a gradient (6, 8): 10, then 4.5 of weights, and a tenth."""
    network = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Linear(1, 1))
    for parameter in network[1].parameters():
        parameter.requires_grad_(False)
    weight = network[0].weight
    weight.data = torch.tensor([[3.0, 4.0]])
    before = norms.weights_now(network)
    weight.grad = torch.tensor([[6.0, 8.0]])
    weight.data -= 0.05 * weight.grad
    assert norms.told(norms.norms(network, before)) == pytest.approx(
        {"gradient_norm": 10.0, "weight_norm": 4.5, "update_ratio": 0.1}
    )


def test_nothing_trained_nothing_measured_and_nothing_finite():
    frozen = nn.Linear(2, 1).requires_grad_(False)
    assert norms.norms(frozen, norms.weights_now(frozen)).tolist() == [0, 0, 0]
    assert norms.told(None) == {}
    assert norms.told(torch.tensor([torch.nan, 1.0, torch.inf])) == {
        "gradient_norm": None,
        "weight_norm": 1.0,
        "update_ratio": None,
    }
    zero = nn.Linear(2, 1, bias=False)
    zero.weight.data.zero_()
    assert norms.norms(zero, norms.weights_now(zero)).tolist() == [0, 0, 0]


def test_the_loop_tells_those_of_the_last_step_of_each_epoch(make_job):
    settings = {"epochs": 3, "batch_size": 64, "optimizer": Sgd(kind="sgd", lr=0.1, momentum=0.0)}
    job = make_job(schedule=ConstantSchedule(kind="constant"), model=Mlp(hidden=(4,), dropout=0.0), **settings)
    places = [checkpoints.snapshot(job.network)]
    history = fit(job, [lambda progress: places.append(checkpoints.snapshot(job.network))]).progress.history
    flat = [torch.cat([value.flatten() for value in place.values()]) for place in places]
    for row, before, after in zip(history, flat, flat[1:], strict=False):
        found = row["statistics"]
        # One step an epoch by plain descent: the update is a tenth of the gradient.
        assert found["gradient_norm"] == pytest.approx(float((after - before).norm()) / 0.1, rel=1e-3)
        assert found["weight_norm"] == pytest.approx(float(after.norm()), rel=1e-5)
        assert found["update_ratio"] == pytest.approx(float((after - before).norm() / before.norm()), rel=1e-3)


def test_a_clipped_gradient_is_told_as_it_was_used(make_job):
    history = fit(make_job(gradient_clip=0.01)).progress.history
    assert all(row["statistics"]["gradient_norm"] == pytest.approx(0.01, rel=1e-3) for row in history)


def test_an_epoch_that_ended_early_has_none(make_job):
    assert fit(make_job(timeout_minutes=1e-9)).progress.history[0]["statistics"] == {}


def test_the_page_draws_them_where_there_are_any(make_job):
    history = fit(make_job()).progress.history
    captions = [figure.caption for figure in training_figures(history, 1)]
    assert sum("powers of ten" in caption for caption in captions) == 1
    old = [{name: value for name, value in row.items() if name != "statistics"} for row in history]
    assert len(training_figures(old, 1)) == len(captions) - 1
