"""A LightningModule of a recipe's own: trained by Lightning, resumed, gated, tracked, and packaged without it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import torch

from tasks.core.blocks import Custom
from tasks.core.errors import RequestError
from tasks.core.recipe import Mlp
from tasks.core.training import EarlyStopping, Training
from tasks.train import by_lightning, checkpoints
from tests.train.interrupting import Interrupted, folder, stop_after

MODULE = '''
import torch
from lightning import LightningModule
from torch import nn


class Lit(LightningModule):
    """Cross-entropy by Adam and a step schedule, with a loss weight that is trained beside the network."""

    def __init__(self, network, lr=0.02, optimizers=1, keep=True):
        super().__init__()
        self.heat = nn.Parameter(torch.ones(()))
        self.lr, self.optimizers_wanted = lr, optimizers
        if keep:
            self.network = network

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        return nn.functional.cross_entropy(self.network(inputs) * self.heat, targets)

    def configure_optimizers(self):
        optimizers = [torch.optim.Adam(self.parameters(), lr=self.lr) for _ in range(self.optimizers_wanted)]
        if len(optimizers) > 1:
            return optimizers
        return {"optimizer": optimizers[0], "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizers[0], 2, 0.5)}


class Shattering(Lit):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if (self.current_epoch, batch_idx) == (1, 2) else loss


class ByHand(Lit):
    automatic_optimization = False


def plain(network):
    return network
'''
LIT = Custom(kind="custom", ref="lit.py:Lit")


def named(name, **args):
    return Custom(kind="custom", ref=f"lit.py:{name}", args=args)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "lit.py").write_text(MODULE)
    return tmp_path


def trained(make_job, place, name, callbacks=(), lightning=LIT, **settings):
    """A job in a folder of its own, and what Lightning made of it."""
    job = make_job(folder=folder(place, name), lightning=lightning, **settings)
    return job, by_lightning.fit_by_lightning(job, by_lightning.wrapped(lightning, job.network, place), callbacks)


@pytest.mark.slow
def test_it_learns_and_tells_as_any_training_does(make_job, place):
    job, fitted = trained(make_job, place, "work", epochs=8, early_stopping=None)
    progress = fitted.progress
    assert (progress.epoch, progress.stopped, fitted.form) == (8, "epochs", "eager")
    assert progress.history[-1]["validation_loss"] < 0.7 * progress.history[0]["validation_loss"]
    # The schedule is the module's: halved after every second epoch.
    assert [row["learning_rate"] for row in progress.history[:4]] == pytest.approx([0.02, 0.02, 0.01, 0.01])
    assert json.loads((place / "work/history.json").read_text()) == progress.history
    best = min(row["validation_loss"] for row in progress.history)
    saved = checkpoints.load_weights(job.network, place / "work/weights.safetensors")
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(saved.eval()(job.validation.inputs), job.validation.targets)
    assert float(loss) == pytest.approx(best, abs=1e-6)
    assert sorted(path.name for path in (place / "work").iterdir()) == [
        "checkpoint.json",
        "history.json",
        "weights.safetensors",
    ], "Lightning leaves nothing of its own"


@pytest.mark.slow
@pytest.mark.parametrize("interrupted_at", [1, 2, 5])
def test_it_resumes_to_the_bits_of_an_uninterrupted_training(make_job, place, interrupted_at):
    settings = {"epochs": 6, "model": Mlp(hidden=(8,), dropout=0.5, batch_norm=True), "early_stopping": None}
    settings |= {"accumulate": 2, "gradient_clip": 0.5}
    _, whole = trained(make_job, place, "whole", **settings)
    with pytest.raises(Interrupted):
        trained(make_job, place, "cut", [stop_after(interrupted_at)], **settings)
    _, resumed = trained(make_job, place, "cut", **settings)
    assert resumed.weights_sha256 == whole.weights_sha256
    drop = {"seconds"}
    told = [
        [{k: v for k, v in row.items() if k not in drop} for row in one.progress.history] for one in (whole, resumed)
    ]
    assert told[0] == told[1]
    _, again = trained(make_job, place, "cut", **settings)
    assert again.weights_sha256 == whole.weights_sha256 and again.progress.history == resumed.progress.history


@pytest.mark.slow
def test_early_stopping_timeout_and_a_loss_that_is_not_finite_end_it(make_job, place):
    _, early = trained(
        make_job, place, "early", lightning=named("Lit", lr=1e-12), early_stopping=EarlyStopping(patience=2)
    )
    assert early.progress.stopped == "early_stopping" and early.progress.epoch == early.progress.best_epoch + 2
    _, late = trained(make_job, place, "late", epochs=99, timeout_minutes=1e-9)
    assert (late.progress.stopped, late.progress.epoch) == ("timeout", 1)
    _, broken = trained(make_job, place, "broken", epochs=9, lightning=named("Shattering"))
    assert broken.progress.stopped == "not_finite" and broken.progress.not_finite == {"epoch": 2, "step": 3}
    assert broken.progress.best_epoch == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lightning", "words"),
    [
        (named("plain"), "gives a Sequential|gives a Mlp"),
        (named("Lit", keep=False), "does not keep the network it is given"),
        (named("ByHand"), "steps by hand"),
        (named("Lit", wrong=1), "cannot be made: TypeError"),
        (named("Lit", optimizers=2), "fails: RuntimeError: Training with multiple optimizers"),
    ],
)
def test_what_cannot_train_is_refused_in_a_sentence(make_job, place, lightning, words):
    with pytest.raises(RequestError, match=words):
        trained(make_job, place, "work", lightning=lightning)


def test_without_lightning_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequestError, match="Lightning is not installed"):
        by_lightning.require_lightning()


@pytest.mark.parametrize("given", [{"ema": 0.9}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}, {"l1": 0.1}])
def test_what_the_module_decides_is_not_asked_of_us(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} would do nothing"):
        Training(lightning=LIT, **given)


def test_no_stage_but_the_training_by_lightning_needs_it():
    """Neither the loop nor what is packaged imports it, and the one file that does imports it where it is called."""
    source = ast.parse(Path(by_lightning.__file__).read_text())
    names = {node.module or "" for node in source.body if isinstance(node, ast.ImportFrom)}
    assert not any(name.startswith("lightning") for name in names)


@pytest.mark.slow
def test_the_stages_train_and_track_it(place):
    from tasks.core.context import Context
    from tasks.core.home import open_home
    from tasks.stores import runs
    from tasks.train.experiment import job, preflight
    from tasks.train.tracked import train_tracked
    from tests.train.test_families import prepared_rows

    model = {"kind": "mlp", "hidden": [16]}
    recipe, prepared = prepared_rows("breast_cancer", place, model=model, epochs=3)
    values = {"lightning": LIT, "epochs": 3, "batch_size": 32, "device": "cpu"}
    training = Training(**values)
    recipe = recipe.model_copy(update={"training": training})
    gates = preflight(recipe.problem, recipe.model, training, prepared, place, place).gates
    assert [gate.name for gate in gates if gate.blocks] == []
    home = open_home(str(place / "home"))
    work = home.work("breast_cancer", "train", "k" * 64)
    work.mkdir(parents=True)
    context = Context(recipe, place, home, work, "k" * 64, "r" * 64)
    made = job(recipe.problem, recipe.model, training, prepared, place, place, work)
    trained = train_tracked(made, context, "fresh weights", place / "train_rows.parquet")
    points = runs.open_tracking(home).get_metric_history(trained.run_id, "validation_loss")
    assert [point.step for point in points] == [1, 2, 3] and trained.stopped == "epochs"
