"""The loop: it learns, stops when it should, and continues to the same bits after it was killed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from tasks.core.recipe import Mlp
from tasks.core.training import AdamW, ConstantSchedule, CosineSchedule, EarlyStopping, Sgd
from tasks.train import checkpoints
from tasks.train.batches import Rows, bounds, load, shuffled
from tasks.train.loop import fit
from tests.train.interrupting import Interrupted, folder, stop_after


def test_the_result_holds_the_best_epoch_and_its_hash(make_job, tmp_path):
    job = make_job(epochs=6, optimizer=Sgd(kind="sgd", lr=5.0), schedule=ConstantSchedule(kind="constant"))
    fitted = fit(job)
    history = json.loads((tmp_path / "history.json").read_text())
    losses = [row["validation_loss"] for row in history]
    assert fitted.progress.best_epoch == 1 + int(np.argmin(losses))
    saved = checkpoints.load_weights(make_job(folder=tmp_path / "other").network, tmp_path / "weights.safetensors")
    with torch.no_grad():
        outputs = saved.eval()(job.validation.inputs)
    assert float(nn.functional.cross_entropy(outputs, job.validation.targets)) == pytest.approx(min(losses), abs=1e-6)
    assert all(torch.equal(saved.state_dict()[name], tensor) for name, tensor in job.network.state_dict().items())


def test_the_learning_rate_follows_the_schedule(make_job):
    job = make_job(epochs=4, optimizer=AdamW(lr=0.1), schedule=CosineSchedule(floor=0.5))
    rates = [row["learning_rate"] for row in fit(job).progress.history]
    # 4 steps per epoch; the row holds the rate of the epoch's last step, of steps 0 to 15.
    assert rates == pytest.approx([0.1 * (0.5 + 0.25 * (1 + math.cos(math.pi * step / 16))) for step in (3, 7, 11, 15)])


def test_a_gradient_is_clipped_to_its_norm(make_job):
    settings = {"epochs": 1, "batch_size": 64, "optimizer": Sgd(kind="sgd", lr=1.0, momentum=0.0)}
    job = make_job(gradient_clip=0.01, **settings)
    before = checkpoints.snapshot(job.network)
    fit(job)
    moved = torch.cat([(job.network.state_dict()[name] - value).flatten() for name, value in before.items()])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_patience_ends_a_training_that_no_longer_improves(make_job):
    job = make_job(epochs=50, optimizer=Sgd(kind="sgd", lr=1e-12), early_stopping=EarlyStopping(patience=3))
    progress = fit(job).progress
    assert progress.stopped == "early_stopping" and progress.epoch == progress.best_epoch + 3 < 50


def test_a_timeout_keeps_the_best_so_far(make_job, tmp_path):
    progress = fit(make_job(epochs=1000, timeout_minutes=1e-9)).progress
    assert (progress.stopped, progress.epoch, progress.best_epoch) == ("timeout", 1, 1)
    assert (tmp_path / "weights.safetensors").exists()


def test_time_spent_before_an_interruption_counts_towards_the_timeout(make_job):
    with pytest.raises(Interrupted):
        fit(make_job(epochs=1000, timeout_minutes=0.02), [lambda progress: time.sleep(0.01), stop_after(3)])
    pointer = make_job().folder / checkpoints.POINTER
    body = json.loads(pointer.read_text())
    del body["checksum"]
    body["progress"]["seconds"] = 1e6
    from tasks.core.hashing import json_sha256

    pointer.write_text(json.dumps({**body, "checksum": json_sha256(body)}))
    progress = fit(make_job(epochs=1000, timeout_minutes=0.02)).progress
    assert progress.stopped == "timeout" and progress.epoch == 3


def test_a_loss_that_is_not_finite_ends_the_training_early(make_job, tmp_path):
    job = make_job(epochs=30, optimizer=Sgd(kind="sgd", lr=1e30), model=Mlp(hidden=(4, 4)), problem="regression")
    progress = fit(job).progress
    assert progress.stopped == "not_finite" and progress.epoch < 10
    assert json.loads((tmp_path / "history.json").read_text())[-1]["validation_loss"] is None


def test_two_trainings_with_one_seed_are_bit_equal_and_another_seed_differs(make_job, tmp_path):
    digests = [
        fit(make_job(folder=folder(tmp_path, str(index)), seed=seed)).weights_sha256
        for index, seed in enumerate((0, 0, 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_finished_training_is_not_repeated(make_job):
    first = fit(make_job())
    again = fit(make_job(), [stop_after(epoch) for epoch in range(10)])
    assert again.weights_sha256 == first.weights_sha256 and again.progress.history == first.progress.history


@pytest.mark.parametrize("damage", ["tensors", "pointer", "half a pointer"])
def test_a_damaged_checkpoint_is_not_used(make_job, tmp_path, damage, caplog):
    whole = fit(make_job(folder=folder(tmp_path, "whole"))).weights_sha256
    with pytest.raises(Interrupted):
        fit(make_job(folder=folder(tmp_path, "cut")), [stop_after(3)])
    pointer = tmp_path / "cut" / checkpoints.POINTER
    if damage == "tensors":
        (file,) = (tmp_path / "cut").glob("checkpoint-*.safetensors")
        payload = bytearray(file.read_bytes())
        payload[-1] ^= 1
        file.write_bytes(payload)
    else:
        text = pointer.read_text()
        pointer.write_text(
            text[: len(text) // 2] if "half" in damage else text.replace('"best_epoch": 2', '"best_epoch": 1')
        )
    resumed = fit(make_job(folder=folder(tmp_path, "cut")))
    assert resumed.weights_sha256 == whole and "damaged" in caplog.text
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "checkpoint.json",
        "history.json",
        "weights.safetensors",
    ]


TRAINING = """
import sys, time
from pathlib import Path
import numpy as np, torch
from tasks.core.recipe import Mlp
from tasks.core.seeds import seed_everything
from tasks.core.training import Training
from tasks.train import networks
from tasks.train.batches import Rows
from tasks.train.loop import Job, fit

torch.set_num_threads(1)
generator = np.random.default_rng(0)
inputs = torch.from_numpy(generator.normal(size=(64, 3)).astype(np.float32))
rows = Rows(inputs, (inputs[:, 0] > 0).long(), torch.device("cpu"))
settings = Training(epochs=40, batch_size=16, device="cpu", early_stopping=None)
seed_everything(settings.seed)
network = networks.make(Mlp(hidden=(16,), dropout=0.5), (3,), 2, Path())
job = Job(network, rows, rows, "classification", 2, settings, Path(sys.argv[1]), checkpoint_seconds=0.0)
print(fit(job, [lambda progress: time.sleep(float(sys.argv[2]))]).weights_sha256)
"""


def train_elsewhere(folder, pause):
    """A training in a process of its own."""
    command = [sys.executable, "-c", TRAINING, str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())


@pytest.mark.parametrize(
    "kills", [pytest.param(1, id="once"), pytest.param(8, id="eight times", marks=pytest.mark.slow)]
)
def test_sigkill_at_any_moment_changes_no_bit(tmp_path, kills):
    whole, _ = train_elsewhere(folder(tmp_path, "whole"), 0).communicate(timeout=120)
    cut = folder(tmp_path, "cut")
    moments = np.random.default_rng(kills).uniform(0.0, 0.3, kills)
    for moment in moments:
        process = train_elsewhere(cut, 0.05)
        pointer = cut / checkpoints.POINTER
        before = pointer.read_text() if pointer.exists() else ""
        while process.poll() is None and (not pointer.exists() or pointer.read_text() == before):
            time.sleep(0.002)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        assert json.loads(pointer.read_text())["progress"]["stopped"] is None
    resumed, _ = train_elsewhere(cut, 0).communicate(timeout=120)
    assert resumed == whole and len(whole.strip()) == 64


@pytest.mark.parametrize(
    ("rows", "size", "wanted"),
    [
        (5, 2, [(0, 2), (2, 5)]),
        (6, 2, [(0, 2), (2, 4), (4, 6)]),
        (1, 4, [(0, 1)]),
        (3, 9, [(0, 3)]),
        (3, 1, [(0, 1), (1, 3)]),
    ],
)
def test_batches_cover_all_rows_and_none_at_the_end_is_alone(rows, size, wanted):
    assert bounds(rows, size) == wanted


def test_each_epoch_has_an_order_of_its_own_that_the_seed_decides():
    orders = [
        shuffled(50, seed, epoch, torch.device("cpu")).tolist() for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1] and sorted(orders[0]) == list(range(50))
    assert orders[0] != orders[2] and orders[0] != orders[3]


def test_rows_that_do_not_fit_are_read_from_the_map_to_the_same_end(make_job, tmp_path, monkeypatch):
    job = make_job()
    for split in ("train", "validation"):
        np.save(tmp_path / f"{split}_inputs.npy", job.train.inputs.numpy())
        np.save(tmp_path / f"{split}_targets.npy", job.train.targets.numpy())
    resident = load(tmp_path, "train", torch.device("cpu"))
    monkeypatch.setattr("tasks.train.batches.free_bytes", lambda device: 1)
    mapped = load(tmp_path, "train", torch.device("cpu"))
    assert isinstance(resident.inputs, torch.Tensor) and isinstance(mapped.inputs, np.memmap)
    digests = [
        fit(make_job(folder=folder(tmp_path, name), job={"train": rows, "validation": rows})).weights_sha256
        for name, rows in (("a", resident), ("b", mapped))
    ]
    assert digests[0] == digests[1]


def test_images_are_laid_out_channels_last():
    rows = Rows(torch.zeros(4, 3, 5, 5), torch.zeros(4), torch.device("cpu"))
    inputs, _ = rows.take(torch.tensor([2, 0]))
    assert inputs.is_contiguous(memory_format=torch.channels_last) and inputs.shape == (2, 3, 5, 5)
