"""What `run` says about the learning curves, between the metrics and the decision."""

from __future__ import annotations

import dataclasses

import pytest

from flows.cli.run import text_of
from flows.outcome import Outcome
from tasks.evaluate.diagnosis import diagnose


def outcome(diagnosis):
    payload = {
        "recipe": "small",
        "model": {"name": "small", "version": "1", "aliases": []},
        "metrics": {"test": {"accuracy": 0.5}},
        "preparation": [],
        "diagnosis": diagnosis,
        "gates": [],
        "decision": None,
        "stages": [],
        "reports": {},
    }
    return Outcome("completed", "ended after evaluate, as asked", 0, payload)


@pytest.mark.parametrize("losses", [(1.0, 0.9, 0.8), (1.0, 0.5, 0.5)], ids=["with a remedy", "fine"])
def test_the_verdict_is_told_with_its_remedy(losses):
    rows = [{"epoch": at + 1, "train_loss": loss, "validation_loss": loss} for at, loss in enumerate(losses)]
    found = diagnose(rows, 3, "epochs")
    lines = text_of(outcome(dataclasses.asdict(found)), "sqlite://").splitlines()
    at = lines.index(f"  training   {found.finding}")
    assert lines[at - 1].split() == ["test", "accuracy", "0.5000"]
    assert found.remedy == "" or lines[at + 1] == f"             {found.remedy}"


def test_nothing_is_told_where_nothing_was_evaluated():
    assert "training" not in text_of(outcome(None), "sqlite://")
