"""Learning rate and batch size found by trying: on curves drawn by hand, on real steps, and without a trace."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.errors import RequestError
from tasks.core.recipe import Mlp
from tasks.core.training import AdamW, Sgd
from tasks.train import checkpoints, networks
from tasks.train.finder import KEPT, find_rate, smoothed, steepest
from tasks.train.loop import fit
from tasks.train.sizes import Size, find_size, fitting, suggested
from tests.train.interrupting import folder

RATES = np.geomspace(1e-6, 10, 120).tolist()


def curve(rate):
    """Level, then down from 1 to 0.2 between 0.001 and 0.1 along half a cosine, then up steeply."""
    share = np.clip((np.log10(rate) + 3) / 2, 0, 1)
    return 0.6 + 0.4 * np.cos(np.pi * share) + 30 * max(rate - 0.3, 0)


def test_the_steepest_fall_is_found_where_it_was_drawn():
    """In the middle at 0.01; the running mean sees it a few of the 120 rates later, which is a factor below 3."""
    found = steepest(RATES, [curve(rate) for rate in RATES])
    assert 0.01 <= found.suggested < 0.03
    assert found.suggested < found.lowest_loss_at <= 0.4
    assert len(found.rates) == len(found.losses) == 120


def test_noise_moves_it_little():
    noise = np.random.default_rng(0).normal(0, 0.03, 120)
    found = steepest(RATES, [curve(rate) + noise[at] for at, rate in enumerate(RATES)])
    assert 0.003 < found.suggested < 0.06


def test_what_comes_after_a_loss_that_is_not_finite_is_left_out():
    losses = [curve(rate) for rate in RATES]
    cut = [*losses[:100], float("nan"), 0.0, 0.0]
    assert steepest(RATES, cut).suggested == steepest(RATES[:100], losses[:100]).suggested


@pytest.mark.parametrize("losses", [[1.0 + at for at in range(120)], [float("nan")] * 3], ids=["rising", "none"])
def test_a_loss_that_never_falls_is_told(losses):
    with pytest.raises(RequestError, match="falls at no learning rate"):
        steepest(RATES, losses)


def test_the_running_mean_by_hand():
    assert smoothed([2.0]) == [2.0]
    assert smoothed([2.0, 4.0])[1] == pytest.approx((KEPT * (1 - KEPT) * 2 + (1 - KEPT) * 4) / (1 - KEPT**2))


@pytest.mark.parametrize("optimizer", [AdamW(), Sgd(kind="sgd")], ids=["adamw", "sgd"])
def test_a_training_at_the_rate_that_was_found_learns(make_job, tmp_path, optimizer):
    settings = {"count": 256, "epochs": 5, "model": Mlp(hidden=(16,), dropout=0.0)}
    rate = find_rate(make_job(folder=folder(tmp_path, "try"), optimizer=optimizer, **settings)).suggested
    found, timid = (
        fit(make_job(folder=folder(tmp_path, name), optimizer=optimizer.model_copy(update={"lr": lr}), **settings))
        for name, lr in (("found", rate), ("timid", rate / 100))
    )
    assert found.progress.best_loss < 0.6 * timid.progress.best_loss


def test_trying_leaves_no_trace_and_finds_the_same_again(make_job):
    job = make_job(model=Mlp(hidden=(8,), dropout=0.5, batch_norm=True), gradient_clip=1.0)
    before, drawn = checkpoints.snapshot(job.network), torch.get_rng_state()
    first = find_rate(job)
    find_size(job, lambda: networks.make(Mlp(hidden=(8,)), (3,), 2, Path()))
    assert find_rate(job) == first
    after = job.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_sizes_are_powers_of_two_that_fit(make_job):
    job = make_job(count=100)
    make = lambda: networks.make(Mlp(hidden=(8,)), (3,), 2, Path())  # noqa: E731
    sizes = fitting(job, make, allowed=10**9)
    assert [rows for rows, _ in sizes] == [8, 16, 32, 64]
    assert all(one.total < other.total for (_, one), (_, other) in pairwise(sizes))
    assert [rows for rows, _ in fitting(job, make, allowed=sizes[1][1].total)] == [8, 16]
    # The smallest is offered whatever there is: the gate `fits_in_memory` says the rest.
    assert [rows for rows, _ in fitting(job, make, allowed=0)] == [8]


def test_the_smallest_size_that_is_fast_enough_is_suggested():
    tried = [Size(rows, 0, speed) for rows, speed in ((8, 100.0), (16, 190.0), (32, 290.0), (64, 300.0), (128, 900.0))]
    # 128 of 1000 rows would leave 8 steps.
    assert suggested(tried, 1000) == 32
    assert suggested(tried, 1280) == 128
    assert suggested(tried, 20) == 8


def test_a_larger_batch_is_timed_too(make_job):
    job = make_job(count=512)
    found = find_size(job, lambda: networks.make(Mlp(hidden=(8,)), (3,), 2, Path()))
    assert [size.rows for size in found.tried] == [8, 16, 32, 64, 128, 256, 512] and found.largest == 512
    # A small step takes as long as a smaller one, so rows go faster.
    assert found.tried[3].rows_per_second > 2 * found.tried[0].rows_per_second
    assert found.suggested <= 512 // 10
