"""A study: trials as files that survive a kill, the best of them, and no more than were asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core.tuning import Choice, NumberRange
from tasks.tune import trials
from tasks.tune.page import search_page
from tasks.tune.search import Search
from tasks.tune.study import Study
from tasks.tune.trials import UNCHANGED, Trial, best_of

SPACE = {"x": NumberRange(kind="number", low=0.0, high=1.0)}


def study(folder: Path, wanted: int = 4, space=SPACE, kind: str = "random", maximise: bool = False) -> Study:
    return Study(folder, Search(space, kind, 0, maximise), wanted)


def trained(trial: Trial) -> Trial:
    return replace(trial, state="complete", value=trial.parameters["x"], curve=(1.0, None, trial.parameters["x"]))


def test_a_trial_that_was_begun_comes_back_with_its_number_and_parameters(tmp_path: Path):
    first = study(tmp_path)
    done, killed = first.ask(), first.ask()
    assert done is not None and killed is not None
    first.tell(trained(done))
    again = study(tmp_path)
    assert again.ask() == killed
    again.tell(trained(killed))
    fresh = again.ask()
    assert fresh is not None and fresh.number == 2
    whole = study(tmp_path / "whole")
    asked = []
    while (trial := whole.ask()) is not None:
        asked.append(trial.parameters)
        whole.tell(trained(trial))
    assert [done.parameters, killed.parameters, fresh.parameters] == asked[:3]


def test_a_study_ends_and_more_may_be_wanted_later(tmp_path: Path):
    first = study(tmp_path, 2)
    while (trial := first.ask()) is not None:
        first.tell(trained(trial))
    assert (first.finished, study(tmp_path, 2).ask()) == (2, None)
    more = study(tmp_path, 3)
    trial = more.ask()
    assert trial is not None and trial.number == 2 and more.ask() is None


def test_a_grid_ends_with_its_last_point(tmp_path: Path):
    space = {"x": Choice(kind="choice", choices=(0.1, 0.2, 0.3))}
    grid = study(tmp_path, 30, space, "grid")
    asked = []
    while (trial := grid.ask()) is not None:
        grid.tell(trained(trial))
        asked.append(trial.parameters["x"])
    assert sorted(asked) == [0.1, 0.2, 0.3] and grid.wanted == 3


def test_what_was_trained_before_is_not_trained_again(tmp_path: Path):
    space = {"x": Choice(kind="choice", choices=(0.1, 0.2))}
    few = study(tmp_path, 8, space)
    trained_ones = 0
    while (trial := few.ask()) is not None:
        few.tell(trained(trial))
        trained_ones += 1
    assert trained_ones <= 2 and few.finished == 8
    assert {trial.value for trial in few.trials} <= {0.1, 0.2}
    assert any(trial.reason.startswith("the same as trial") for trial in few.trials)


@pytest.mark.parametrize(("maximise", "expected"), [(False, 1), (True, 2)])
def test_the_best_is_the_smallest_or_the_largest_and_the_earliest_of_equals(maximise: bool, expected: int):
    values = [0.5, 0.1, 0.9, 0.1, 0.9]
    tried = [Trial(number, {}, "complete", value) for number, value in enumerate(values)]
    tried += [Trial(5, {}, "pruned", None), Trial(6, {}, "failed", None), Trial(7, {}, "running")]
    best = best_of(tried, maximise=maximise)
    assert best is not None and best.number == expected
    assert best_of(tried[5:], maximise=maximise) is None


def test_the_recipe_as_it_stands_is_best_where_no_trial_is_better(tmp_path: Path):
    known = study(tmp_path, 1)
    known.tell(Trial(UNCHANGED, {"x": 0.0}, "complete", 0.0))
    trial = known.ask()
    assert trial is not None
    known.tell(replace(trained(trial), value=0.0))
    assert known.best is not None and known.best.number == UNCHANGED
    assert [trial.number for trial in known.trials] == [0], "it is no trial"
    assert known.unchanged == study(tmp_path).unchanged


def test_a_trial_is_read_as_it_was_written(tmp_path: Path):
    parameters = {"a": [1, 2], "b": {"kind": "mlp"}, "c": None}
    trial = Trial(3, parameters, "failed", None, (0.5, None), {"f1": 1.0}, "why", 2.5)
    trials.save(tmp_path, trial)
    assert trials.load(tmp_path) == [trial]


def test_the_page_names_every_trial_and_the_best(tmp_path: Path):
    tried = [Trial(number, {"x": number / 10}, "complete", 1 - number / 10, (1.0,)) for number in range(3)]
    tried += [Trial(3, {"x": 0.9}, "pruned", None, (2.0,), {}, "worse than <half>")]
    unchanged = Trial(UNCHANGED, {"x": 0.5}, "complete", 0.85, (1.0,))
    page = search_page("toy", "validation_loss", "the rows", tried, unchanged, tried[2], {"x": 1.0}, maximise=False)
    text = page.html()
    for words in ("trial 2", "0.85", "worse than &lt;half&gt;", "PED-ANOVA", "as it stands", "<svg"):
        assert words in text
    assert (
        "nothing can be said"
        in search_page("toy", "accuracy", "the rows", tried, unchanged, unchanged, {}, maximise=True).html()
    )
