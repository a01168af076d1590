"""`evergreen tune`: look for better settings without the test rows, then take the best through the life cycle.

The search asks (`tasks/tune`), this flow trains and tells. Its trials lie in the home under a key made of the
recipe, the space, the data and the code, so the same command goes on where a killed one stopped.
"""

from __future__ import annotations

import shutil
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from flows.candidates import candidate, check_space
from flows.dataset import bring_in, dataset_version
from flows.outcome import Outcome
from flows.training import Tell
from flows.trial import Task, maximised, train_trial, work_of
from flows.workers import workers
from tasks.core.errors import RequestError
from tasks.core.hashing import json_sha256
from tasks.core.home import Home, write_atomically
from tasks.core.load import LoadedRecipe
from tasks.core.plan import Facts, components_of
from tasks.core.recipe import Recipe
from tasks.core.rewriting import rewritten
from tasks.core.tuning import LOSS, SEARCHED, Tuning
from tasks.prepare.stage import prepare
from tasks.stores import runs
from tasks.stores.lease import hold
from tasks.train.stage import train
from tasks.tune.page import search_page
from tasks.tune.search import Search, importances
from tasks.tune.space import Space, as_it_stands, fields_of, space_of
from tasks.tune.study import Study
from tasks.tune.trials import UNCHANGED, Trial


@dataclass(frozen=True)
class Tuned:
    """What a search came to."""

    study: Study
    metric: str
    best: Trial
    unchanged: Trial
    importance: dict[str, float]
    recipe: Path
    """The best recipe, as YAML."""
    report: Path
    run_id: str
    """Of the search in the tracking store; its trials stand below it."""


@dataclass(frozen=True)
class _Place:
    """One study: what it tunes, on which data, and where it lies."""

    loaded: LoadedRecipe
    home: Home
    space: Space
    dataset: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.home.work(self.loaded.recipe.name, "tune", self.key)

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe


def begin(loaded: LoadedRecipe, home: Home, tell: Tell) -> Outcome:
    """Bring the data in and have them judged, as a run does, up to their version.

    Raises:
        RequestError: something a person has to change, in the recipe, its space or its data.
    """
    check_space(loaded, space_of(loaded.recipe))
    return bring_in(loaded, home, tell)


def search(loaded: LoadedRecipe, home: Home, begun: Outcome, *, jobs: int, out: Path | None, tell: Tell) -> Tuned:
    """Carry a search to its end, or on, and write down what it found.

    Args:
        loaded: the recipe; its `tuning` section says what is searched, and how.
        home: where the study lies.
        begun: what `begin` gave.
        jobs: trials that are trained at once.
        out: where the best recipe is written; none: beside the study.
        tell: is told of every trial.

    Raises:
        RequestError: not one trial could be trained.
        ServiceError: the tracking store does not answer.
    """
    place = _place(loaded, home, begun)
    name, tuning = loaded.recipe.name, loaded.recipe.tuning
    # Two searches in one study would ask for the same trials: the second waits, and finds them done.
    with hold(home, f"{name}.tune", "tune", on_wait=lambda holder: tell(f"{name}: waiting for {holder}")):
        looked_for = Search(place.space, tuning.search, tuning.seed, maximised(loaded.recipe))
        study = Study(place.folder / "trials", looked_for, tuning.trials)
        run_id = _start_run(place)
        try:
            _carry_out(place, study, run_id, jobs, tell)
            tuned = _conclude(place, study, run_id, out)
        except BaseException:
            # Also when interrupted: a run that nobody works on must not look as if somebody did.
            runs.finish_run(home, run_id, "FAILED")
            raise
        runs.finish_run(home, run_id, "FINISHED")
    return tuned


def best_recipe(loaded: LoadedRecipe, tuned: Tuned) -> LoadedRecipe:
    """The recipe with the best parameters; the same one where nothing was better than it."""
    if tuned.best.number == UNCHANGED:
        return loaded
    return candidate(loaded, tuned.best.parameters)


def _place(loaded: LoadedRecipe, home: Home, begun: Outcome) -> _Place:
    recipe = loaded.recipe
    versioned = dataset_version(home, recipe.name, begun)
    space = space_of(recipe)
    made_of = {
        "data": versioned.version,
        "stages": [components_of(stage, loaded, Facts(), {}) for stage in (prepare, train)],
        "tuning": recipe.tuning.model_dump(mode="json", exclude={"trials", "space"}),
        "space": {name: dimension.model_dump(mode="json") for name, dimension in space.items()},
        "optuna": installed("optuna"),
    }
    return _Place(loaded, home, space, home.path(versioned.folder), json_sha256(made_of))


def _carry_out(place: _Place, study: Study, run_id: str, jobs: int, tell: Tell) -> None:
    """Train the recipe as it stands and every trial, several at once, until there are enough."""
    known = study.unchanged
    waiting: dict[Future[Trial], Trial] = {}
    with workers(jobs) as pool:
        if known is None or known.state == "running":
            first = Trial(UNCHANGED, as_it_stands(place.recipe, place.space))
            study.tell(first)
            waiting[pool.submit(train_trial, _task(place, study, first))] = first
        while True:
            while len(waiting) < jobs and (trial := study.ask()) is not None:
                waiting[pool.submit(train_trial, _task(place, study, trial))] = trial
            if not waiting:
                break
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                del waiting[done]
                _keep(place, study, done.result(), run_id)
                tell(_line(study, done.result()))
    # What a killed process had not come to, and trials that repeated an earlier one.
    for trial in (*([known] if known else []), *study.trials):
        _keep(place, study, trial, run_id)


def _task(place: _Place, study: Study, trial: Trial) -> Task:
    pruned = place.recipe.tuning.pruning == "median" and trial.number != UNCHANGED
    others = tuple(tuple(curve) for curve in study.curves()) if pruned else None
    loaded = place.loaded
    return Task(trial, loaded.file, loaded.overrides, place.dataset, place.folder, others)


def _keep(place: _Place, study: Study, trial: Trial, run_id: str) -> None:
    """Write a finished trial down, here and in the tracking store, and let go of its checkpoints."""
    if trial.state == "running":
        return
    if trial.run_id is None:
        study.tell(trial)
        study.tell(replace(trial, run_id=_log(place, trial, run_id)))
    shutil.rmtree(work_of(place.folder, trial), ignore_errors=True)


def _start_run(place: _Place) -> str:
    recipe = place.recipe
    space = {name: dimension.model_dump(mode="json") for name, dimension in place.space.items()}
    parameters = {"tuning": recipe.tuning.model_dump(mode="json", exclude={"space", "trials"}) | {"space": space}}
    tags = {"evergreen.recipe": place.loaded.hash, "evergreen.stage": "tune"}
    title = f"{recipe.name}-tune-{place.key[:8]}"
    return runs.start_run(place.home, recipe.name, place.key, parameters, tags, title=title)


def _log(place: _Place, trial: Trial, parent: str) -> str:
    home, name = place.home, place.recipe.name
    key = json_sha256({"study": place.key, "trial": trial.number})
    title = "as it stands" if trial.number == UNCHANGED else f"trial {trial.number}"
    tags = {"evergreen.stage": "trial", "evergreen.state": trial.state, "evergreen.reason": trial.reason}
    run_id = runs.start_run(home, name, key, trial.parameters, tags, title=title, parent=parent)
    of = LOSS if place.recipe.tuning.folds is None else "mean_so_far"
    curve = [{"epoch": step + 1, of: value} for step, value in enumerate(trial.curve) if value is not None]
    runs.log_history(home, run_id, curve)
    final = {"objective": trial.value} if trial.value is not None else {}
    runs.log_metrics(home, run_id, final | {f"validation_{metric}": value for metric, value in trial.metrics.items()})
    runs.finish_run(home, run_id, "FAILED" if trial.state == "failed" else "FINISHED")
    return run_id


def _conclude(place: _Place, study: Study, run_id: str, out: Path | None) -> Tuned:
    recipe, tuning, unchanged, best = place.recipe, place.recipe.tuning, study.unchanged, study.best
    assert unchanged is not None
    if best is None or best.value is None:
        raise RequestError(
            f"Neither {recipe.name} as it stands nor one of {study.finished} trials could be trained: "
            f"{unchanged.reason.rstrip('.')}.",
            remedy="Mend the recipe, or change tuning.space.",
            code="tuning",
        )
    importance = importances(study.search, study.trials)
    maximise = study.search.maximise
    rows = _rows_in_words(tuning)
    page = search_page(recipe.name, tuning.metric, rows, study.trials, unchanged, best, importance, maximise=maximise)
    report = page.write(place.folder / "tuning.html")
    file = out or place.folder / "tuned.yaml"
    write_atomically(file, _yaml(place, study, best, unchanged))
    numbers = {"best": best.value, "trials": study.finished, "importance": importance, "unchanged": unchanged.value}
    runs.log_metrics(place.home, run_id, numbers)
    runs.log_files(place.home, run_id, [report, file])
    shutil.rmtree(place.folder / "arrays", ignore_errors=True)
    return Tuned(study, tuning.metric, best, unchanged, importance, file, report, run_id)


def _yaml(place: _Place, study: Study, best: Trial, unchanged: Trial) -> str:
    """The recipe's YAML with the best parameters."""
    loaded, metric = place.loaded, place.recipe.tuning.metric
    unbeaten = best.number == UNCHANGED
    found = "as it stood: no trial was better" if unbeaten else f"with the best of {study.finished} trials"
    head = (
        f"{place.recipe.name} {found} (evergreen tune, {metric} {_number(best.value)}; {_number(unchanged.value)} as "
        "it stood).",
        f"Paths are meant from the folder of {loaded.file.name}, whose place this file can take. Comments are lost.",
    )
    # What else was typed was meant for one command.
    typed = [text for text in loaded.overrides if text.lstrip("+~").partition("=")[0].split(".")[0] in SEARCHED]
    fields = {} if unbeaten else fields_of(place.recipe, best.parameters)
    return rewritten(loaded.file, typed, fields, head)


def _rows_in_words(tuning: Tuning) -> str:
    return "the validation rows" if tuning.folds is None else f"{tuning.folds} folds of all rows but the test rows"


def _line(study: Study, trial: Trial) -> str:
    best = study.best
    share = round(100 * study.finished / max(study.wanted, 1))
    what = "as it stands" if trial.number == UNCHANGED else f"trial {trial.number}"
    found = _number(trial.value) if trial.state == "complete" else f"{trial.state}: {trial.reason}"
    return f"tune {min(share, 100):3d}% {what}: {found} (best {_number(best.value if best else None)})"


def _number(value: Any) -> str:
    return "none" if value is None else f"{value:.4g}"
