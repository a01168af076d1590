"""What is told while a training runs, and the seeds it draws from."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from tasks.core.seeds import derive, seed_everything
from tasks.train import callbacks
from tasks.train.checkpoints import Progress


def row(epoch, loss=0.5):
    return {"epoch": epoch, "train_loss": loss, "validation_loss": 0.25, "metrics": {"accuracy": 0.75}}


def test_history_is_handed_on_in_batches_and_each_row_once():
    handed = []
    log = callbacks.HistoryLog(lambda rows: handed.append([item["epoch"] for item in rows]), every=3600)
    progress = Progress()
    for epoch in (1, 2, 3):
        progress.history.append(row(epoch))
        log(progress)
    assert handed == []
    log.flush(progress)
    log.flush(progress)
    assert handed == [[1, 2, 3]]


def test_history_is_handed_on_as_soon_as_its_time_has_come():
    handed = []
    log = callbacks.HistoryLog(lambda rows: handed.append([item["epoch"] for item in rows]), every=0)
    progress = Progress()
    for epoch in (1, 2):
        progress.history.append(row(epoch))
        log(progress)
    assert handed == [[1], [2]]


def test_an_epoch_reads_as_one_line():
    assert callbacks.line(Progress(history=[row(3)])) == (
        "epoch 3, train loss 0.5000, validation loss 0.2500, accuracy 0.7500"
    )
    assert "train loss not finite" in callbacks.line(Progress(history=[row(3, None)]))


def test_the_announced_share_is_one_when_a_training_stops_early():
    told = []
    announce = callbacks.announce(10, lambda share, text: told.append(share), every=0)
    announce(Progress(epoch=2, history=[row(2)]))
    announce(Progress(epoch=3, history=[row(3)], stopped="early_stopping"))
    assert told == [0.2, 1.0]


def test_epochs_that_follow_each_other_fast_are_not_all_announced():
    told = []
    announce = callbacks.announce(100, lambda share, text: told.append(share), every=3600)
    for epoch in range(1, 100):
        announce(Progress(epoch=epoch, history=[row(epoch)]))
    announce(Progress(epoch=100, history=[row(100)], stopped="epochs"))
    assert told == [0.01, 1.0]


def test_one_seed_gives_the_same_numbers_from_every_generator():
    def draw():
        seed_everything(7)
        return random.random(), float(np.random.random()), float(torch.rand(()))

    first = draw()
    assert draw() == first
    seed_everything(8)
    assert random.random() != first[0]
    assert torch.are_deterministic_algorithms_enabled()


def test_derived_seeds_differ_by_part_and_stay_what_they_were():
    assert len({derive(0, "epoch", 1), derive(0, "epoch", 2), derive(0, "order", 1), derive(1, "epoch", 1)}) == 4
    assert all(0 <= derive(seed, "x") < 2**63 for seed in range(50))
    # Other values would change every training that was ever recorded.
    assert derive(0, "epoch", 0) == 3173842262600516239


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_the_shipped_data_keep_the_shipped_expectations(name):
    from pathlib import Path

    from tasks.core.load import load_recipe
    from tasks.ingest.readers import read
    from tasks.validate.expectations import load_suite, run_suite

    folder = Path(__file__).parents[2] / "data" / name
    recipe = load_recipe(str(folder)).recipe
    frame = read(recipe.data.reader, folder)
    frame = frame.assign(row_id=[f"{number:032x}" for number in range(len(frame))], batch=0)
    findings = run_suite(load_suite(folder / "expectations.json"), frame)
    assert {finding.state for finding in findings.expectations} == {"passed"}
    assert len(findings.expectations) == 1 + 2 * (len(frame.columns) - 3)
