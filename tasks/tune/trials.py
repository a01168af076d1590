"""The trials of a study as files: one JSON file each, replaced in one act, so that a kill at any moment loses none.

A trial is written down when it is asked for and again when it is told. One that was being trained when the
process was killed is therefore still there with its parameters, and is trained to its end under the same
number: nothing has to be marked as failed, and no number is given twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.core.contracts import from_json, to_json
from tasks.core.home import write_atomically

UNCHANGED = -1
"""The number of the recipe as it stands, which is trained like a trial and is none."""

State = Literal["running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One recipe that is tried."""

    number: int
    """From 0 on, in the order they were asked for."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Dotted field → value, as JSON has it."""
    state: State = "running"
    value: float | None = None
    """Of `tuning.metric`, on rows that are not test rows; none unless complete."""
    curve: tuple[float | None, ...] = ()
    """Validation loss after each epoch; with folds, the mean of the value so far after each fold."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What else was measured on the same rows."""
    reason: str = ""
    """Why it was pruned or failed; of a repetition, which trial it repeats."""
    seconds: float = 0.0
    run_id: str | None = None
    """Of the run in the tracking store, once it is there."""


def load(folder: Path) -> list[Trial]:
    """Every trial of a study in the order of their numbers, the recipe as it stands left out."""
    found = [_read(path) for path in folder.glob("[0-9]*.json")]
    return sorted((trial for trial in found if trial is not None), key=lambda trial: trial.number)


def unchanged(folder: Path) -> Trial | None:
    """The recipe as it stands, where it has been asked for."""
    return _read(_path(folder, UNCHANGED))


def save(folder: Path, trial: Trial) -> None:
    """Write a trial down, in the place of what was known of it."""
    write_atomically(_path(folder, trial.number), json.dumps(to_json(trial), indent=1, allow_nan=False) + "\n")


def best_of(trials: Sequence[Trial], *, maximise: bool) -> Trial | None:
    """The complete trial with the best value, the earliest of several; None where none is complete."""
    complete = [(trial.value, trial) for trial in trials if trial.state == "complete" and trial.value is not None]
    if not complete:
        return None
    sign = -1 if maximise else 1
    return min(complete, key=lambda pair: (sign * pair[0], pair[1].number))[1]


def same_as(trial: Trial, earlier: Sequence[Trial]) -> Trial | None:
    """An earlier finished trial with the same parameters, whose result is this one's too: training is deterministic."""
    return next(
        (old for old in earlier if old.parameters == trial.parameters and old.state in ("complete", "failed")), None
    )


def _path(folder: Path, number: int) -> Path:
    return folder / ("unchanged.json" if number == UNCHANGED else f"{number:05d}.json")


def _read(path: Path) -> Trial | None:
    try:
        trial: Trial = from_json(Trial, json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    return trial
