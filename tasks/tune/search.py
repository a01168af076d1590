"""The Optuna door: what to try next, which trial to give up, which field mattered.

Nothing is kept here: each answer is a function of the trials so far. Optuna's study is made anew from
them, in memory, and its sampler is seeded by the seed of the search and the number of the trial. So a
search that was killed asks for the same trials as one that was not, and no database has to survive a kill.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tasks.core.hashing import canonical_json
from tasks.core.seeds import derive
from tasks.core.tuning import Choice, Dimension, NumberRange
from tasks.tune.space import Space
from tasks.tune.trials import Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

DIGITS = 4
"""Significant digits of a number that is tried: what a person can read, and finer than any effect."""
STARTUP = 5
"""Trials that must be complete before another one can be pruned."""
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Search:
    """How the next trial is chosen."""

    space: Space
    kind: Literal["bayesian", "random", "grid"]
    seed: int
    maximise: bool
    """Whether a larger value is better."""


def suggest(search: Search, earlier: Sequence[Trial]) -> dict[str, Any]:
    """The parameters of trial number `len(earlier)`.

    Args:
        search: space, kind and seed.
        earlier: every trial before it, in the order of their numbers; those still running are kept away from.
    """
    study = _study(search, earlier)
    trial = study.ask({name: _distribution(dimension) for name, dimension in search.space.items()})
    return {name: _decoded(dimension, trial.params[name]) for name, dimension in search.space.items()}


def importances(search: Search, trials: Sequence[Trial]) -> dict[str, float]:
    """How much of the value each field explains, most first, summing to 1; empty below four complete trials.

    By PED-ANOVA (Watanabe et al., 2023): how differently a field's values are spread among the best trials and
    among all.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    varied = {name for name in search.space if len({canonical_json(trial.parameters[name]) for trial in complete}) > 1}
    if len(complete) < 4 or not varied:
        return {}
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    found = get_param_importances(
        _study(search, trials), evaluator=PedAnovaImportanceEvaluator(), params=sorted(varied)
    )
    return dict(sorted(((name, float(share)) for name, share in found.items()), key=lambda pair: (-pair[1], pair[0])))


class Pruner:
    """Says whether a trial is hopeless: its smallest number so far is larger than the median of the others' here.

    Args:
        others: the curves of complete trials: numbers where smaller is better, by step.
        warmup: steps that are waited for.
    """

    def __init__(self, others: Sequence[Sequence[float | None]], warmup: int) -> None:
        from optuna.pruners import MedianPruner

        self._pruner = MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=warmup)
        self._study = _empty_study(None, maximise=False)
        for curve in others:
            self._study.add_trial(_frozen("complete", {}, {}, 0.0, _steps(curve)))

    def prunes(self, curve: Sequence[float | None]) -> bool:
        """Whether to give up a trial whose numbers are these, one for each step done."""
        return bool(self._pruner.prune(self._study, _frozen("running", {}, {}, None, _steps(curve))))


def _study(search: Search, trials: Sequence[Trial]) -> Study:
    study = _empty_study(_sampler(search, len(trials)), maximise=search.maximise)
    distributions = {name: _distribution(dimension) for name, dimension in search.space.items()}
    for trial in trials:
        values = {name: _encoded(search.space[name], value) for name, value in trial.parameters.items()}
        # Of pruned trials the sampler compares the last step, in the direction of the value.
        sign = -1.0 if search.maximise else 1.0
        steps = {step: sign * number for step, number in _steps(trial.curve).items()} if trial.state == "pruned" else {}
        study.add_trial(_frozen(trial.state, values, distributions, trial.value, steps))
    return study


def _empty_study(sampler: BaseSampler | None, *, maximise: bool) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it logs each study that it makes
    return optuna.create_study(direction="maximize" if maximise else "minimize", sampler=sampler)


def _sampler(search: Search, number: int) -> BaseSampler:
    from optuna import samplers

    if search.kind == "grid":
        # One order of the points for the whole search, whatever the trial.
        return samplers.GridSampler(
            {name: _grid_values(dimension) for name, dimension in search.space.items()}, seed=search.seed
        )
    seed = derive(search.seed, "trial", number) % _LARGEST_SEED
    return samplers.RandomSampler(seed=seed) if search.kind == "random" else samplers.TPESampler(seed=seed)


def _frozen(
    state: str,
    parameters: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    value: float | None,
    steps: dict[int, float],
) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    states = {
        "running": TrialState.RUNNING,
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    return create_trial(
        state=states[state],
        params=parameters,
        distributions=distributions,
        value=value if state == "complete" else None,
        intermediate_values=steps,
    )


def _steps(curve: Sequence[float | None]) -> dict[int, float]:
    return {step: number for step, number in enumerate(curve) if number is not None}


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choice):
        return CategoricalDistribution([canonical_json(value) for value in dimension.choices])
    if isinstance(dimension, NumberRange):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return IntDistribution(dimension.low, dimension.high, log=dimension.log)


def _grid_values(dimension: Dimension) -> list[Any]:
    if isinstance(dimension, Choice):
        return [canonical_json(value) for value in dimension.choices]
    assert not isinstance(dimension, NumberRange)  # refused with the recipe
    return list(range(dimension.low, dimension.high + 1))


def _encoded(dimension: Dimension, value: Any) -> Any:
    """A value as Optuna keeps it: lists and sections, which it cannot, as JSON."""
    return canonical_json(value) if isinstance(dimension, Choice) else value


def _decoded(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Choice):
        return json.loads(value)
    if isinstance(dimension, NumberRange):
        return min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)
    return value
