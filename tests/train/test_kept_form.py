"""A training keeps the form of step that it began in: another one adds up in another order."""

from __future__ import annotations

import json

import pytest
import torch

from tasks.train import checkpoints, choice, steps
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after
from tests.train.test_step_forms import parts


def test_a_training_that_goes_on_is_told_the_form_it_began_in(make_job, tmp_path):
    asked = []

    def choose(made, size, count, begun):
        asked.append((size, count, begun))
        return "graphed", steps.eager(made)

    def job(name, epochs=6):
        return make_job(folder=folder(tmp_path, name), epochs=epochs, job={"choose": choose})

    with pytest.raises(Interrupted):
        fit(job("cut"), [stop_after(3)])
    assert json.loads((tmp_path / "cut" / checkpoints.POINTER).read_text())["progress"]["form"] == "graphed"
    assert fit(job("cut")).form == "graphed"
    # Four steps an epoch; the checkpoint is that of epoch 2.
    assert asked == [(16, 24, None), (16, 16, "graphed")]


def test_a_checkpoint_from_before_forms_were_kept_is_gone_on_from(make_job, tmp_path):
    from tasks.core.hashing import json_sha256

    whole = fit(make_job(folder=folder(tmp_path, "whole")))
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut")), [stop_after(3)])
    pointer = tmp_path / "cut" / checkpoints.POINTER
    body = json.loads(pointer.read_text())
    del body["checksum"], body["progress"]["form"]
    pointer.write_text(json.dumps({**body, "checksum": json_sha256(body)}))
    assert fit(make_job(folder=folder(tmp_path, "cut"))).weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("begun", [None, "eager", "graphed", "compiled"])
def test_on_a_cpu_steps_are_eager(begun):
    form, step = choice.choose(parts(), 16, 10**9, begun)
    assert form == "eager" and torch.isfinite(step(torch.arange(16), 0.01))
