"""A loss that is not finite ends a training, and the step and its rows are found again."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from tasks.train import checkpoints, spoiled
from tasks.train.loop import fit
from tasks.train.stepping import batch_of
from tests.train.interrupting import folder

LATER = {"checkpoint_seconds": 3600.0}


def with_row(rows, position, value):
    """The rows, one of them with an input that is no ordinary number."""
    inputs = rows.inputs.clone()
    inputs[position, 1] = value
    return dataclasses.replace(rows, inputs=inputs)


@pytest.mark.parametrize("seconds", [0.0, 3600.0], ids=["seen at a checkpoint", "seen at the end of the epoch"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_step_and_the_rows_that_held_a_bad_input_are_named(make_job, tmp_path, seconds, accumulate):
    job = make_job(epochs=9, accumulate=accumulate, job={"checkpoint_seconds": seconds})
    job = dataclasses.replace(job, train=with_row(job.train, 17, float("nan")))
    batches = [0]
    job.network.register_forward_pre_hook(lambda module, _: batches.__setitem__(0, batches[0] + module.training))
    fitted = fit(job)
    place = fitted.progress.not_finite
    assert place is not None and fitted.progress.stopped == "not_finite" and place["epoch"] == 1
    positions = batch_of(job, 1, place["step"])
    assert 17 in positions and len(positions) == 16 * accumulate
    others = [batch_of(job, 1, step) for step in range(1, 64 // (16 * accumulate) + 1) if step != place["step"]]
    assert sorted(torch.cat([positions, *others]).tolist()) == list(range(64))
    # Where a checkpoint looks at the losses, no further step is paid for.
    assert batches[0] == (place["step"] * accumulate if seconds == 0 else 4)
    pointer = json.loads((tmp_path / checkpoints.POINTER).read_text())
    assert pointer["progress"]["not_finite"] == place and pointer["file"] == checkpoints.WEIGHTS


def test_the_weights_of_the_epochs_before_are_kept(make_job, tmp_path):
    """The third step of the third epoch, the eleventh in all, blows up."""
    plain = fit(make_job(folder=folder(tmp_path, "plain"), epochs=2))
    job = make_job(folder=folder(tmp_path, "blown"), epochs=9, job=LATER)
    seen = [0]

    def blow(module, inputs):
        seen[0] += module.training
        return inputs[0] * float("inf") if seen[0] == 11 else None

    job.network.register_forward_pre_hook(blow)
    fitted = fit(job)
    assert fitted.progress.not_finite == {"epoch": 3, "step": 3}
    assert fitted.progress.best_epoch == plain.progress.best_epoch
    # The schedule spans 9 epochs in one and 2 in the other, so the weights differ; finite they are.
    assert all(bool(value.isfinite().all()) for value in job.network.state_dict().values())
    assert [row["train_loss"] is None for row in fitted.progress.history] == [False, False, True]


def test_a_gradient_that_is_not_finite_in_the_last_step_is_laid_at_its_door(make_job):
    job = make_job(epochs=9, job=LATER)
    seen = [0]

    def spoil(gradient):
        seen[0] += 1
        return gradient * float("inf") if seen[0] == 8 else gradient

    next(job.network.parameters()).register_hook(spoil)
    progress = fit(job).progress
    assert progress.not_finite == {"epoch": 2, "step": 4}
    assert progress.history[-1]["train_loss"] is not None and progress.history[-1]["validation_loss"] is None


def test_validation_rows_alone_blame_no_step(make_job):
    job = make_job(epochs=9)
    job = dataclasses.replace(job, validation=with_row(job.validation, 0, float("inf")))
    assert fit(job).progress.not_finite == {"epoch": 1, "step": None}


def test_losses_and_weights_by_hand():
    assert spoiled.first(torch.tensor([1.0, 2.0])) is None and spoiled.first(torch.zeros(0)) is None
    assert spoiled.first(torch.tensor([1.0, -torch.inf, torch.nan])) == 2
    network = torch.nn.BatchNorm1d(2)
    assert spoiled.updated_by(network, 7) is None
    network.running_var[1] = torch.nan
    assert spoiled.updated_by(network, 7) == 7


def test_what_is_kept_are_ids_and_where(tmp_path):
    path = spoiled.keep(tmp_path, {"epoch": 2, "step": 3}, ["aa-0", "bb-0"])
    assert json.loads(path.read_text()) == {"epoch": 2, "step": 3, "rows": ["aa-0", "bb-0"]}
