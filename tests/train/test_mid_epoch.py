"""A training that is killed within an epoch goes on from the step it had come to, to the same bits, whatever draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.seeds import seed_everything
from tasks.models import KINDS
from tasks.train import checkpoints, generators
from tasks.train.loop import fit
from tasks.train.pace import SHARE, Pace
from tasks.train.recorded import Losses, mean
from tests.train.interrupting import Interrupted, folder

DRIVER = Path(__file__).parent / "mid_epoch_driver.py"
FAMILIES = [
    ({"kind": "mlp", "hidden": [8], "dropout": 0.5, "batch_norm": True}, [3], 0, []),
    ({"kind": "cnn", "channels": [3, 4], "hidden": 6, "dropout": 0.5}, [1, 8, 8], 0, []),
    ({"kind": "perceptron"}, [3], 0, []),
    ({"kind": "tabular_resnet", "width": 8}, [3], 0, []),
    ({"kind": "resnet", "channels": [3, 4], "dropout": 0.5}, [1, 8, 8], 0, []),
    ({"kind": "recurrent", "cell": "lstm", "hidden": 6, "dropout": 0.5}, [5], 9, []),
    ({"kind": "transformer", "width": 8, "heads": 2, "layers": 1, "dropout": 0.5}, [5], 9, []),
    ({"kind": "bag_of_embeddings", "dropout": 0.5}, [5], 9, []),
    ({"kind": "recurrent", "hidden": 6, "dropout": 0.5}, [8], 9, [5]),
    ({"kind": "autoencoder", "hidden": [6], "latent": 2}, [3], 0, []),
    ({"kind": "conv_autoencoder", "channels": [3, 4], "latent": 3}, [1, 8, 8], 0, []),
]
"""`model` section, the shape of one example, of texts how many token ids there are, and the shape of a text that
columns stand beside; every family that drops out is made to."""


def test_every_family_is_killed_here():
    assert [model["kind"] for model, *_, sequence in FAMILIES if not sequence] == list(KINDS)


@pytest.mark.parametrize(
    ("model", "shape", "tokens", "sequence"),
    [
        pytest.param(
            *family, id=f"{family[0]['kind']}{'-beside' * bool(family[3])}", marks=[pytest.mark.slow] * bool(family[3])
        )
        for family in FAMILIES
    ],
)
def test_sigkill_within_an_epoch_changes_no_bit(tmp_path, model, shape, tokens, sequence):
    """With dropout, draws from NumPy and Python, varied images, running mean, plateau, accumulation and clipping."""
    family = [json.dumps(part) for part in (model, shape, tokens, sequence)]
    command = [sys.executable, str(DRIVER), str(tmp_path), *family]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    whole, resumed = found["whole"], found["resumed"]
    assert resumed["sha256"] == whole["sha256"] == found["again"]["sha256"]
    assert resumed["history"] == whole["history"]
    # It did go on within an epoch: exactly the batches were computed that the checkpoint did not hold.
    assert found["epoch"] == 2 and 2 <= found["step"] < found["of"] == 6
    assert resumed["batches"] == whole["batches"] - 2 * 11 - 2 * found["step"]


def stopping_at(step, network):
    """Interrupt before the batch that comes after so many."""
    seen = [0]

    def hook(module, _):
        seen[0] += module.training
        if seen[0] > step:
            raise Interrupted

    return network.register_forward_pre_hook(hook)


@pytest.mark.parametrize("step", [1, 3, 4, 5, 14])
def test_any_step_can_be_the_last_before_an_interruption(make_job, tmp_path, step):
    whole = fit(make_job(folder=folder(tmp_path, "whole"), epochs=4))
    cut = make_job(folder=folder(tmp_path, "cut"), epochs=4)
    stopping_at(step, cut.network)
    with pytest.raises(Interrupted):
        fit(cut)
    progress = json.loads((tmp_path / "cut" / checkpoints.POINTER).read_text())["progress"]
    assert (progress["epoch"], progress["step"]) == divmod(step, 4)
    resumed = fit(make_job(folder=folder(tmp_path, "cut"), epochs=4))
    assert resumed.weights_sha256 == whole.weights_sha256
    losses = [[row["train_loss"] for row in found.progress.history] for found in (whole, resumed)]
    assert losses[0] == losses[1]


def test_time_spent_within_an_epoch_counts_when_it_is_taken_up_again(make_job):
    cut = make_job(epochs=2)
    cut.network.register_forward_pre_hook(lambda module, _: time.sleep(0.02 * module.training))
    stopping_at(2, cut.network)
    with pytest.raises(Interrupted):
        fit(cut)
    progress = fit(make_job(epochs=2)).progress
    assert progress.history[0]["seconds"] >= 0.04
    assert progress.seconds == pytest.approx(sum(row["seconds"] for row in progress.history), abs=1e-3)


def test_a_checkpoint_that_is_not_due_is_not_written(make_job, tmp_path):
    job = make_job(job={"checkpoint_seconds": 3600.0})
    stopping_at(6, job.network)
    with pytest.raises(Interrupted):
        fit(job)
    assert not (tmp_path / checkpoints.POINTER).exists()


def test_generators_go_on_where_they_stood():
    import random

    def draws():
        return torch.rand(3).tolist(), random.gauss(0, 1), np.random.standard_normal(3).tolist(), random.random()

    cpu = torch.device("cpu")
    seed_everything(5)
    draws()
    # An odd number of normal draws leaves one in store, in NumPy as in Python.
    state = generators.drawn(cpu)
    state = generators.Drawn(
        {name: tensor.clone() for name, tensor in state.tensors.items()}, json.loads(json.dumps(state.numbers))
    )
    first = draws()
    assert draws() != first
    generators.go_on(state, cpu)
    assert draws() == first


def test_the_mean_of_an_epoch_weighs_steps_by_their_rows_however_they_were_read():
    whole, parts = Losses(), Losses()
    values = [float(value) for value in np.random.default_rng(0).random(2500)]
    for number, value in enumerate(values):
        whole.add(torch.tensor(value))
        parts.add(torch.tensor(value))
        if number in (0, 7, 1500):
            parts = Losses(parts.read())
    assert torch.equal(whole.read(), parts.read()) and torch.equal(whole.read(), torch.tensor(values))
    rows = [2] * 2499 + [1]
    assert mean(whole.read(), rows) == pytest.approx(np.average(values, weights=rows))
    assert np.isnan(mean(torch.tensor([1.0, torch.nan]), [1, 1]))
    with pytest.raises(ValueError, match="no step"):
        mean(Losses().read(), [])


def test_saving_takes_a_small_share_of_the_time_however_long_it_takes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tasks.train.pace.time.monotonic", lambda: now[0])
    pace = Pace(1.0, deadline=200.0)
    assert not pace.saves and pace.due == 101.0
    now[0] = 101.0
    assert pace.saves and not pace.is_over
    with pace.saving():
        now[0] += 0.5
    assert pace.due == 101.5 + SHARE * 0.5
    now[0] = 112.0
    with pace.saving():
        now[0] += 0.01
    assert pace.due == pytest.approx(113.01)
    now[0] = 200.5
    assert pace.is_over
    with pace.saving():
        pass
    assert pace.due == 200.0
    eager = Pace(0.0, deadline=300.0)
    with eager.saving():
        now[0] += 5
    assert eager.saves
