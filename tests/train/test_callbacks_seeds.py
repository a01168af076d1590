"""What is told while a training runs, and the seeds it draws from."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from tasks.core.seeds import derive, seed_everything
from tasks.train import callbacks
from tasks.train.checkpoints import Progress

NETWORK = torch.nn.Linear(1, 1)


def row(epoch, loss=0.5):
    return {"epoch": epoch, "train_loss": loss, "validation_loss": 0.25, "metrics": {"accuracy": 0.75}}


def test_history_is_handed_on_in_batches_and_each_row_once():
    handed = []
    log = callbacks.HistoryLog(lambda rows: handed.append([item["epoch"] for item in rows]), every=3600)
    progress = Progress()
    for epoch in (1, 2, 3):
        progress.history.append(row(epoch))
        log.on_epoch(progress, NETWORK)
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
        log.on_epoch(progress, NETWORK)
    assert handed == [[1], [2]]


def test_an_epoch_reads_as_one_line():
    assert callbacks.line(Progress(history=[row(3)])) == (
        "epoch 3, train loss 0.5000, validation loss 0.2500, accuracy 0.7500"
    )
    assert "train loss not finite" in callbacks.line(Progress(history=[row(3, None)]))


def test_the_announced_share_is_one_when_a_training_stops_early():
    told = []
    announce = callbacks.Announce(10, lambda share, text: told.append(share), every=0)
    announce.on_epoch(Progress(epoch=2, history=[row(2)]), NETWORK)
    announce.on_epoch(Progress(epoch=3, history=[row(3)], stopped="early_stopping"), NETWORK)
    assert told == [0.2, 1.0]


def test_epochs_that_follow_each_other_fast_are_not_all_announced():
    told = []
    announce = callbacks.Announce(100, lambda share, text: told.append(share), every=3600)
    for epoch in range(1, 100):
        announce.on_epoch(Progress(epoch=epoch, history=[row(epoch)]), NETWORK)
        announce.on_checkpoint(Progress(epoch=epoch, step=1), 2)
    announce.on_epoch(Progress(epoch=100, history=[row(100)], stopped="epochs"), NETWORK)
    assert told == [0.01, 1.0]


def test_the_time_that_is_left_at_most_is_told_after_and_within_epochs():
    told = []
    announce = callbacks.Announce(10, lambda share, text: told.append((share, text)), every=0)
    announce.on_checkpoint(Progress(step=1, under_way=5.0), 4)
    # Half of the fourth epoch of ten: 3.5 took 28 + 7 s, so 6.5 take 65 s.
    announce.on_checkpoint(Progress(epoch=3, step=2, seconds=28.0, under_way=7.0), 4)
    announce.on_epoch(Progress(epoch=4, seconds=40.0, history=[row(4)]), NETWORK)
    assert told[0] == (0.025, "epoch 1, 25% of it, 3 min left at most")
    assert told[1] == (0.35, "epoch 4, 50% of it, 65 s left at most")
    assert told[2][0] == 0.4 and told[2][1].endswith("accuracy 0.7500, 60 s left at most")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")])
def test_a_time_is_told_as_people_say_it(seconds, text):
    assert callbacks.lasting(seconds) == text


def test_everybody_is_told_what_he_listens_to_and_may_end_the_training():
    heard = []

    class Ear:
        def on_epoch(self, progress, network):
            heard.append(("epoch", progress.epoch, progress.stopped, network is NETWORK))
            return progress.epoch == 2

        def on_end(self, progress, network):
            heard.append(("end", progress.stopped))

    class Late:
        def on_epoch(self, progress, network):
            heard.append(("late", progress.stopped))

        def on_checkpoint(self, progress, steps):
            heard.append(("step", progress.step, steps))

    ears = [Ear(), Late(), lambda progress: heard.append(("function", progress.epoch)), object()]
    progress = Progress(epoch=1)
    callbacks.after_epoch(ears, progress, NETWORK)
    assert progress.stopped is None
    progress.epoch = 2
    callbacks.after_epoch(ears, progress, NETWORK)
    callbacks.at_checkpoint(ears, Progress(step=3), 7)
    callbacks.at_end(ears, progress, NETWORK)
    assert heard == [
        ("epoch", 1, None, True),
        ("late", None),
        ("function", 1),
        ("epoch", 2, None, True),
        ("late", "callback"),
        ("function", 2),
        ("step", 3, 7),
        ("end", "callback"),
    ]


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
