"""A training keeps the form of step that it began in: another one adds up in another order."""

from __future__ import annotations

import json

import pytest
import torch

from tasks.core.recipe import Mlp
from tasks.core.training import AdamW
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


@pytest.mark.parametrize(("count", "begun"), [(999, None), (5000, None), (10**9, "eager"), (10**9, "graphed")])
def test_short_trainings_on_a_cpu_and_those_that_began_so_are_eager(count, begun, monkeypatch):
    monkeypatch.setattr(choice, "compiled", refuse)
    form, step = choice.choose(parts(), 16, count, begun)
    assert form == "eager" and torch.isfinite(step(torch.arange(16), 0.01))


def refuse(made, size):
    raise AssertionError("nothing is to be compiled here")


@pytest.mark.parametrize(
    ("faster", "seconds", "wanted"),
    [("compiled", 0.01, "compiled"), ("eager", 0.01, "eager"), ("compiled", 0.1, "eager"), ("compiled", 1e-5, "eager")],
    ids=["compiled is faster", "eager is faster", "a large step", "a training of seconds"],
)
def test_a_training_of_minutes_in_small_steps_takes_the_form_measured_to_be_faster(
    faster, seconds, wanted, monkeypatch
):
    def measured(forms, index, made, tried=choice.TRIED):
        return min(forms, key=lambda form: form != faster), dict.fromkeys(forms, seconds)

    monkeypatch.setattr(choice, "compiled", lambda made, size: steps.eager(made))
    monkeypatch.setattr(choice, "_has_compiler", lambda: True)
    monkeypatch.setattr(choice, "fastest", measured)
    assert choice.choose(parts(), 16, 20_000, None)[0] == wanted
    assert choice.choose(parts(), 32, 20_000, None)[0] == "eager", "a step of two batches"
    assert choice.choose(parts(), 16, 2000, "compiled")[0] == "compiled", "as it began"


@pytest.mark.parametrize("missing", ["the compiler", "a torch that can"])
def test_where_nothing_can_be_compiled_steps_are_eager_without_a_word(missing, monkeypatch, caplog, capfd):
    if missing == "the compiler":
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
    else:
        monkeypatch.setattr(choice, "compiled", unable)
        monkeypatch.setattr(choice, "COMPILE_AFTER", 0.0)
    assert choice.choose(parts(), 16, 2000, None)[0] == "eager"
    assert choice.choose(parts(), 16, 2000, "compiled")[0] == "eager"
    assert [record for record in caplog.records if record.levelname != "INFO"] == []
    assert capfd.readouterr() == ("", "")


def unable(made, size):
    raise RuntimeError("this torch does not compile a backward pass together with its forward pass")


@pytest.mark.slow
def test_a_compiled_training_learns_what_an_eager_one_does_and_resumes_to_the_same_bits(make_job, tmp_path):
    def job(name, dropout=0.5, **changed):
        model = Mlp(hidden=(8,), dropout=dropout, batch_norm=True)
        optimizer = AdamW(lr=0.03)
        return make_job(
            folder=folder(tmp_path, name), epochs=5, count=70, model=model, optimizer=optimizer, job=changed
        )

    def choose(made, size, count, begun):
        return "compiled", steps.compiled(made, size)

    whole = fit(job("whole", choose=choose))
    with pytest.raises(Interrupted):
        fit(job("cut", choose=choose), [stop_after(3)])
    # It is told the form by its checkpoint, and makes it itself.
    resumed = fit(job("cut"))
    assert (resumed.form, resumed.weights_sha256) == ("compiled", whole.weights_sha256)
    losses = [
        [row["validation_loss"] for row in fit(job(name, 0.0, **changed)).progress.history]
        for name, changed in (("a", {"choose": choose}), ("b", {}))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and losses[0][-1] < losses[0][0]
