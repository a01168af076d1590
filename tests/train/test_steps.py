"""One step of the optimizer: several batches together, the L1 penalty, and what neither changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.core.recipe import Mlp
from tasks.core.training import CosineSchedule, Sgd
from tasks.train import checkpoints, penalty
from tasks.train.batches import groups
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after

PLAIN = Mlp(hidden=(8,), dropout=0.0)


@pytest.mark.parametrize(
    ("count", "size", "wanted"),
    [(5, 2, [[0, 1], [2, 3], [4]]), (4, 2, [[0, 1], [2, 3]]), (3, 1, [[0], [1], [2]]), (2, 9, [[0, 1]])],
)
def test_batches_are_grouped_in_order_and_the_last_group_is_shorter(count, size, wanted):
    batches = [(index, index + 1) for index in range(count)]
    assert [[start for start, _ in group] for group in groups(batches, size)] == wanted


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "hinge"])
@pytest.mark.parametrize(
    ("count", "batch", "accumulate"),
    [(64, 16, 2), (64, 8, 8), (56, 16, 2), (40, 16, 99)],
    ids=["equal batches", "one step", "a short last group", "more than there are"],
)
def test_accumulated_batches_step_as_one_large_batch_does(make_job, tmp_path, count, batch, accumulate, loss):
    settings = {"epochs": 5, "optimizer": Sgd(kind="sgd", lr=0.2), "loss": loss, "l1": 0.01, "gradient_clip": 0.3}
    settings |= {"model": PLAIN, "count": count, "schedule": CosineSchedule(warmup=0.3), "early_stopping": None}
    one = fit(large := make_job(folder=folder(tmp_path, "one"), batch_size=min(batch * accumulate, count), **settings))
    some = fit(small := make_job(folder=folder(tmp_path, "some"), batch_size=batch, accumulate=accumulate, **settings))
    for ours, theirs in zip(small.network.parameters(), large.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    for name in ("train_loss", "validation_loss", "learning_rate"):
        assert [row[name] for row in some.progress.history] == pytest.approx(
            [row[name] for row in one.progress.history], abs=1e-5
        )


def test_without_accumulation_there_are_other_steps(make_job, tmp_path):
    digests = {
        fit(make_job(folder=folder(tmp_path, str(number)), accumulate=number)).weights_sha256 for number in (1, 2, 4)
    }
    assert len(digests) == 3


def test_the_penalty_is_the_sum_of_absolute_weights_without_biases_norms_and_what_is_frozen():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, -2.0], [0.5, 0.0]]))
        network[2].weight.fill_(9.0).requires_grad_(False)
    found = penalty.l1(network)
    assert found.item() == pytest.approx(3.5)
    found.backward()
    assert network[0].weight.grad.tolist() == [[1.0, -1.0], [1.0, 0.0]]
    assert network[0].bias.grad is None and network[1].weight.grad is None
    assert penalty.l1(nn.BatchNorm1d(2)).item() == 0.0


def test_one_step_moves_each_weight_towards_zero_by_rate_times_penalty(make_job, tmp_path):
    settings = {"epochs": 1, "batch_size": 64, "optimizer": Sgd(kind="sgd", lr=0.5, momentum=0.0), "model": PLAIN}
    start = checkpoints.snapshot(make_job(**settings).network)
    after, rows = {}, {}
    for l1 in (0.0, 0.02):
        job = make_job(folder=folder(tmp_path, str(l1)), l1=l1, **settings)
        rows[l1] = fit(job).progress.history[0]
        after[l1] = job.network.state_dict()
    for name, before in start.items():
        moved = 0.5 * 0.02 * before.sign() if before.dim() > 1 else torch.zeros_like(before)
        assert torch.allclose(after[0.0][name] - after[0.02][name], moved, atol=1e-6), name
    # What is reported is the loss of the rows, so that it can be compared with that of the validation rows.
    assert rows[0.0]["train_loss"] == rows[0.02]["train_loss"]


def test_a_penalty_leaves_fewer_weights(make_job, tmp_path):
    small = []
    for l1 in (0.0, 0.03):
        settings = {"epochs": 60, "optimizer": Sgd(kind="sgd"), "model": PLAIN, "early_stopping": None}
        job = make_job(folder=folder(tmp_path, str(l1)), l1=l1, **settings)
        fit(job)
        weights = torch.cat([value.flatten() for value in job.network.parameters() if value.dim() > 1])
        small.append(float((weights.abs() < 0.01).float().mean()))
    assert small[0] < 0.1 and small[1] > 0.3


def test_an_accumulating_training_resumes_to_the_same_bits(make_job, tmp_path):
    settings = {"epochs": 6, "accumulate": 3, "l1": 0.001, "model": Mlp(hidden=(8,), dropout=0.5, batch_norm=True)}
    whole = fit(make_job(folder=folder(tmp_path, "whole"), **settings))
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut"), **settings), [stop_after(3)])
    assert fit(make_job(folder=folder(tmp_path, "cut"), **settings)).weights_sha256 == whole.weights_sha256
