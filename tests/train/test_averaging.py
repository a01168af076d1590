"""The running mean of the weights: by hand, in the loop, and through an interruption."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.core.recipe import Mlp
from tasks.core.training import AdamW, Sgd
from tasks.train import averaging, checkpoints
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after


def test_the_mean_by_hand():
    """From 0 towards 1: the first step keeps 1/10, the next 2/11, and a late one the decay that is asked."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    mean = {"weight": torch.zeros(1, 1)}
    wanted = 0.0
    for step, kept in ((0, 1 / 10), (1, 2 / 11), (100_000, 0.75)):
        averaging.update(mean, network, 0.75, step)
        wanted = kept * wanted + 1 - kept
        assert mean["weight"].item() == pytest.approx(wanted)
    assert network.weight.item() == 1.0


def test_buffers_are_averaged_too_and_counters_copied():
    network = nn.BatchNorm1d(2)
    mean = checkpoints.snapshot(network)
    network.running_mean.fill_(1.0)
    network.num_batches_tracked.fill_(7)
    averaging.update(mean, network, 0.5, 100_000)
    assert mean["running_mean"].tolist() == [0.5, 0.5] and mean["num_batches_tracked"].item() == 7


def test_a_network_holds_the_mean_for_the_time_of_a_block_also_when_it_fails():
    network = nn.Linear(2, 1)
    own = checkpoints.snapshot(network)
    mean = {name: torch.zeros_like(value) for name, value in own.items()}

    def inside():
        with averaging.holding(network, mean):
            assert not network.weight.any()
            raise Interrupted

    with pytest.raises(Interrupted):
        inside()
    assert torch.equal(network.weight, own["weight"])
    with averaging.holding(network, {}):
        assert torch.equal(network.weight, own["weight"])


def test_the_saved_weights_are_the_mean_and_the_validation_loss_is_theirs(make_job, tmp_path):
    settings = {"epochs": 1, "batch_size": 64, "optimizer": Sgd(kind="sgd", lr=0.5), "model": Mlp(dropout=0.0)}
    start = checkpoints.snapshot(make_job(**settings).network)
    plain = make_job(folder=folder(tmp_path, "plain"), **settings)
    fit(plain)
    job = make_job(folder=folder(tmp_path, "mean"), ema=0.9, **settings)
    fitted = fit(job)
    for name, value in plain.network.state_dict().items():
        assert torch.allclose(job.network.state_dict()[name], 0.1 * start[name] + 0.9 * value, atol=1e-6)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(job.network.eval()(job.validation.inputs), job.validation.targets)
    assert fitted.progress.history[0]["validation_loss"] == pytest.approx(float(loss), abs=1e-6)


def test_training_itself_goes_on_from_the_weights_and_not_from_their_mean(make_job, tmp_path):
    settings = {"epochs": 5, "early_stopping": None}
    histories = [
        fit(make_job(folder=folder(tmp_path, str(ema)), ema=ema, **settings)).progress.history for ema in (None, 0.99)
    ]
    losses, means = ([row["train_loss"] for row in history] for history in histories)
    assert losses == means
    assert histories[0][-1]["validation_loss"] != histories[1][-1]["validation_loss"]


def test_the_mean_is_steadier_than_the_weights(make_job, tmp_path):
    jumps = []
    for ema in (None, 0.95):
        settings = {"epochs": 30, "optimizer": Sgd(kind="sgd", lr=2.0), "early_stopping": None}
        history = fit(make_job(folder=folder(tmp_path, str(ema)), ema=ema, **settings)).progress.history
        losses = torch.tensor([row["validation_loss"] for row in history])
        jumps.append(float(losses.diff().abs().mean()))
    assert jumps[1] < 0.5 * jumps[0]


@pytest.mark.parametrize("interrupted_at", [1, 2, 5])
def test_an_averaged_training_resumes_to_the_same_bits(make_job, tmp_path, interrupted_at):
    settings = {"epochs": 6, "ema": 0.9, "optimizer": AdamW(lr=0.02)}
    settings |= {"model": Mlp(hidden=(8,), dropout=0.5, batch_norm=True)}
    whole = fit(make_job(folder=folder(tmp_path, "whole"), **settings))
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut"), **settings), [stop_after(interrupted_at)])
    resumed = fit(make_job(folder=folder(tmp_path, "cut"), **settings))
    assert resumed.weights_sha256 == whole.weights_sha256
    assert fit(make_job(folder=folder(tmp_path, "cut"), **settings)).weights_sha256 == whole.weights_sha256
