"""Asking Optuna: the same trials always give the same next one, and good ones are found."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tasks.core.tuning import Choice, NumberRange, WholeRange
from tasks.tune.search import STARTUP, Pruner, Search, importances, suggest
from tasks.tune.trials import Trial

SPACE = {
    "x": NumberRange(kind="number", low=-1.0, high=3.0),
    "rate": NumberRange(kind="number", low=0.0001, high=1.0, log=True),
    "count": WholeRange(kind="whole", low=1, high=4),
    "layers": Choice(kind="choice", choices=([8], [8, 8], {"kind": "perceptron"}, None)),
}


def searching(kind: str = "bayesian", seed: int = 0, maximise: bool = False, space=SPACE) -> Search:
    return Search(space, kind, seed, maximise)


def told(search: Search, value_of, count: int) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(count):
        parameters = suggest(search, trials)
        trials.append(Trial(number, parameters, "complete", value_of(parameters)))
    return trials


@pytest.mark.parametrize("kind", ["bayesian", "random"])
def test_what_is_asked_for_is_in_the_space_and_depends_on_the_trials_alone(kind: str):
    search = searching(kind)
    trials = told(search, lambda parameters: parameters["x"] ** 2, 15)
    for trial in trials:
        assert -1 <= trial.parameters["x"] <= 3 and 0.0001 <= trial.parameters["rate"] <= 1
        assert trial.parameters["count"] in (1, 2, 3, 4)
        assert trial.parameters["layers"] in SPACE["layers"].choices
        assert len(f"{trial.parameters['x']:.10f}".rstrip("0").lstrip("-0.").replace(".", "")) <= 5
    assert suggest(search, trials[:7]) == trials[7].parameters
    assert suggest(searching(kind, seed=1), trials[:7]) != trials[7].parameters
    assert len({str(trial.parameters) for trial in trials}) == 15


def test_a_grid_takes_each_point_once_in_an_order_of_its_seed():
    space = {"a": Choice(kind="choice", choices=(1, [2])), "b": WholeRange(kind="whole", low=3, high=5)}
    orders = []
    for seed in (0, 0, 1):
        trials = told(searching("grid", seed, space=space), lambda parameters: 0.0, 6)
        orders.append([(str(trial.parameters["a"]), trial.parameters["b"]) for trial in trials])
    assert set(orders[0]) == set(itertools.product(("1", "[2]"), (3, 4, 5)))
    assert orders[0] == orders[1] != orders[2]


def test_a_point_of_a_grid_that_is_being_trained_is_not_given_twice():
    space = {"a": WholeRange(kind="whole", low=0, high=5)}
    search = searching("grid", space=space)
    running = [Trial(0, suggest(search, []))]
    running.append(Trial(1, suggest(search, running)))
    running[0] = replace(running[0], state="failed", reason="no")
    running.append(Trial(2, suggest(search, running)))
    assert len({trial.parameters["a"] for trial in running}) == 3


@pytest.mark.parametrize("maximise", [False, True])
def test_the_bayesian_search_comes_nearer_than_chance(maximise: bool):
    """On a bowl, the last ten of forty trials lie nearer to its middle than those drawn by chance."""
    space = {name: NumberRange(kind="number", low=-1.0, high=3.0) for name in ("x", "y")}

    def bowl(parameters) -> float:
        value = (parameters["x"] - 1.7) ** 2 + (parameters["y"] - 0.3) ** 2
        return -value if maximise else value

    found = {}
    for kind in ("bayesian", "random"):
        values = [
            abs(trial.value)
            for seed in range(3)
            for trial in told(searching(kind, seed, maximise, space), bowl, 40)[30:]
        ]
        found[kind] = sum(values) / len(values)
    assert found["bayesian"] < 0.5 * found["random"]


def test_pruned_failed_and_running_trials_are_told_too():
    search = searching()
    trials = told(search, lambda parameters: parameters["x"], 12)
    trials[3] = replace(trials[3], state="pruned", value=None, curve=(1.0, None, 2.0))
    trials[4] = replace(trials[4], state="failed", value=None, reason="no")
    trials.append(Trial(12, suggest(search, trials)))
    assert suggest(search, trials) != trials[12].parameters
    assert suggest(search, trials) == suggest(search, trials)


def test_the_field_that_decides_is_named_first():
    space = {name: NumberRange(kind="number", low=0.0, high=1.0) for name in ("idle", "decisive")}
    search = searching("random", space=space)
    trials = told(search, lambda parameters: (parameters["decisive"] - 0.5) ** 2, 60)
    found = importances(search, trials)
    assert list(found) == ["decisive", "idle"] and found["decisive"] > 0.7
    assert sum(found.values()) == pytest.approx(1)


def test_nothing_is_said_of_importance_where_little_is_known():
    fixed = {"a": Choice(kind="choice", choices=(1,))}
    assert importances(searching("random", space=fixed), [Trial(n, {"a": 1}, "complete", 0.1) for n in range(9)]) == {}
    search = searching("random")
    assert importances(search, told(search, lambda parameters: 1.0, 3)) == {}


def test_a_trial_is_given_up_that_never_was_as_good_as_half_the_others():
    """By hand: at step 2 the others have 1, 2, 3, 4, 5, and their median is 3."""
    others = [(9.0, 9.0, float(value)) for value in (1, 2, 3, 4, 5)]
    pruner = Pruner(others, warmup=2)
    assert pruner.prunes([9.0, 9.0, 3.1])
    assert not pruner.prunes([9.0, 9.0, 2.9])
    assert not pruner.prunes([9.0, 2.9, 3.1]), "its best so far counts"
    assert not pruner.prunes([99.0, 99.0]), "too early"
    assert not Pruner(others[: STARTUP - 1], warmup=2).prunes([9.0, 9.0, 99.0]), "too few others"
