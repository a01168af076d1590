"""A study: asks for trials until there are enough, and is told what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tasks.tune.search import Search, suggest
from tasks.tune.space import grid_size
from tasks.tune.trials import Trial, best_of, load, same_as, save, unchanged


class Study:
    """The trials of one search, on disk and in memory.

    Args:
        folder: where the trials lie; those of a killed process are taken up again.
        search: how the next one is chosen.
        wanted: trials after which no more are asked for. A larger number later goes on with the same study.
    """

    def __init__(self, folder: Path, search: Search, wanted: int) -> None:
        self.search = search
        self.wanted = min(wanted, grid_size(search.space)) if search.kind == "grid" else wanted
        self._folder = folder
        self._trials = {trial.number: trial for trial in load(folder)}
        self._given: set[int] = set()

    @property
    def trials(self) -> list[Trial]:
        """Every trial so far, in the order of their numbers."""
        return [self._trials[number] for number in sorted(self._trials)]

    @property
    def unchanged(self) -> Trial | None:
        """The recipe as it stands, once it was trained."""
        return unchanged(self._folder)

    @property
    def finished(self) -> int:
        """Trials that were trained, given up or could not be trained."""
        return sum(trial.state != "running" for trial in self._trials.values())

    @property
    def best(self) -> Trial | None:
        """The best of all trials and the recipe as it stands, which is taken where none is better."""
        known = self.unchanged
        return best_of([*([known] if known else []), *self.trials], maximise=self.search.maximise)

    def ask(self) -> Trial | None:
        """A trial to be trained: one that was begun and not told of, else a new one; None where there are enough."""
        for trial in self.trials:
            if trial.state == "running" and trial.number not in self._given:
                self._given.add(trial.number)
                return trial
        while len(self._trials) < self.wanted:
            trial = Trial(len(self._trials), suggest(self.search, self.trials))
            repeated = same_as(trial, self.trials)
            self._given.add(trial.number)
            self.tell(trial if repeated is None else _again(trial, repeated))
            if repeated is None:
                return trial
        return None

    def tell(self, trial: Trial) -> None:
        """Write down what became of a trial, or what is new about it."""
        save(self._folder, trial)
        if trial.number >= 0:
            self._trials[trial.number] = trial

    def curves(self) -> tuple[Sequence[float | None], ...]:
        """The curves of the complete trials, which another one is held against."""
        return tuple(trial.curve for trial in self.trials if trial.state == "complete")


def _again(trial: Trial, earlier: Trial) -> Trial:
    return replace(
        trial,
        state=earlier.state,
        value=earlier.value,
        curve=earlier.curve,
        metrics=earlier.metrics,
        reason=earlier.reason or f"the same as trial {earlier.number}",
    )
