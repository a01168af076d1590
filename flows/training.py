"""The main job: from a recipe to a justified champion. Read `life_cycle` for what happens, in order."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from flows import artifacts, orphans
from flows.alerting import alert_outcome
from flows.deployments import TAG
from flows.engine import Execution
from flows.facts import before_champion, gather
from flows.outcome import Outcome, outcome_of, stopped_by_service
from flows.server import PrefectApi, answers, comes_from
from tasks.core.context import START
from tasks.core.contracts import STAGES
from tasks.core.errors import EvergreenError, GateStopped, RequestError, ServiceError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, claim
from tasks.core.plan import Facts, Plan, make_plan
from tasks.core.secrets import shown
from tasks.evaluate.stage import evaluate
from tasks.explore.stage import explore
from tasks.ingest.stage import ingest, version
from tasks.prepare.stage import prepare
from tasks.release import servable
from tasks.release.promotion import record_decision, recover
from tasks.release.stage import decide, package, promote
from tasks.stage import Stage, as_task
from tasks.stores.lease import hold
from tasks.stores.tracking import prepare_environment
from tasks.train.stage import preflight, train
from tasks.validate.stage import validate

LIFE_CYCLE: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        ingest,
        validate,
        version,
        explore,
        prepare,
        preflight,
        train,
        evaluate,
        package,
        decide,
        promote,
    )
}
"""Every stage, in order."""

HEAVY = {
    "validate": ("pandas", "great_expectations"),
    "version": ("dvc.repo",),
    "train": ("torch", "mlflow"),
    "evaluate": ("sklearn.metrics",),
    "package": ("mlflow.pyfunc",),
}
"""Libraries that are imported while the Prefect server boots, by the first stage that needs them."""

Perform = Callable[..., Any]
"""Carries out one stage with the results it takes, and gives what it gave."""

Tell = Callable[[str], None]
"""Told how far an order has come, one line at a time."""


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    loaded: LoadedRecipe
    home: Home
    until: str | None = None
    """Last stage to carry out; none: all of them."""
    promote: bool = True
    """Whether a challenger may be decided on and promoted."""
    wait: bool = True
    """Wait for another command that holds the model's lease."""
    disabled: frozenset[str] = frozenset()
    """Gates switched off by a drill; such a run decides, but `promote` moves nothing."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages this order covers, in order."""
        last = self.until or ("promote" if self.promote else "package")
        return tuple(LIFE_CYCLE[name] for name in STAGES[: STAGES.index(last) + 1])


def life_cycle(run: Perform, skip: Callable[[str, str], None]) -> None:
    """What happens, in which order, and what each stage builds on."""
    ingested = run(ingest)
    validated = run(validate, ingested)
    versioned = run(version, ingested, validated)
    run(explore, versioned)
    prepared = run(prepare, versioned)
    preflighted = run(preflight, prepared)
    trained = run(train, prepared, preflighted)
    evaluated = run(evaluate, versioned, prepared, trained)
    refused = [gate.name for gate in evaluated.gates if gate.blocks]
    if refused:
        skip("package", f"the model failed {', '.join(refused)}")
        packaged = None
    else:
        packaged = run(package, versioned, prepared, trained, evaluated)
    decided = run(decide, versioned, prepared, trained, evaluated, packaged)
    run(promote, decided, packaged)


class _Reached(Exception):
    """The last stage that was asked for is done."""


def plan_of(order: Order) -> Plan:
    """What the order would do now."""
    facts = gather(order.loaded, order.home, order.disabled)
    for before in before_champion(order.loaded, order.home, facts):
        known = make_plan(order.stages, order.loaded, order.home, before)
        if _gives_champion(known, facts):
            return known
    return make_plan(order.stages, order.loaded, order.home, facts)


def _gives_champion(plan: Plan, facts: Facts) -> bool:
    """Whether the training of this plan is the one that gave the champion its weights."""
    record = next((step.record for step in plan.steps if step.name == "train"), None)
    return record is not None and record.output["weights_sha256"] == facts.data["train"][START]


def execute(order: Order, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Carry out an order under the model's lease; nothing to do means that no server is started.

    A gate that says no, or a service that is away, ends in an outcome; only a wrong request raises.
    What the recipe's hooks have to know, they are told once the lease is free again.

    Raises:
        RequestError: something a person has to change, as named by the stage that found it.
    """
    claim(order.home, order.loaded)
    with lease(order, tell):
        outcome = execute_held(order, tell)
    if not order.disabled:  # a drill stops on purpose
        alert_outcome(order.loaded, order.home, outcome, tell)
    return outcome


def execute_held(order: Order, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Carry out an order for a caller that holds the model's lease and has claimed its name; tells no hook.

    Raises:
        RequestError: something a person has to change, as named by the stage that found it.
    """
    try:
        return _execute(order, tell)
    except ServiceError as error:
        return stopped_by_service(order.loaded.recipe.name, error)


def lease(order: Order, tell: Tell) -> AbstractContextManager[None]:
    """The model's lease for as long as an order takes; whoever holds it is named to those who wait."""
    name = order.loaded.recipe.name

    def waiting(holder: Any) -> None:
        tell(f"{name}: waiting for {holder}")

    return hold(order.home, name, "run", wait=order.wait, on_wait=waiting)


def _execute(order: Order, tell: Callable[[str], None]) -> Outcome:
    recover(order.home, order.loaded.recipe.name)
    execution = Execution(order.loaded, order.home, plan_of(order))
    if not execution.plan.runs:
        walk(order, execution, lambda stage, *inputs: execution.carry_out(stage, *inputs).value)
        return outcome_of(execution)
    with PrefectApi(order.home) as api:
        if not api.starts:
            api.wait()
        _import_ahead(execution.plan)
        api.wait()
        orphans.settle(order.home, order.loaded.recipe.name, api.url, tell)
        try:
            with _consumer_ahead(order, execution.plan):
                return _in_prefect(order, execution, tell)
        except Exception as error:
            if isinstance(error, EvergreenError) or (answers(api.url) and not comes_from(api.url, error)):
                raise
            raise ServiceError(
                f"The Prefect API at {api.url} stopped answering during the run.",
                remedy="Run again: what was done is kept.",
                code="prefect",
            ) from error


def walk(order: Order, execution: Execution, perform: Perform) -> None:
    """The life cycle as far as the order goes."""
    last = order.stages[-1].name

    def run(stage: Stage, *inputs: Any) -> Any:
        value = perform(stage, *inputs)
        if stage.name == last:
            raise _Reached
        return value

    def skip(name: str, why: str) -> None:
        execution.skip(name, why)
        if name == last:
            raise _Reached

    try:
        life_cycle(run, skip)
    except _Reached:
        return


def _in_prefect(order: Order, execution: Execution, tell: Callable[[str], None]) -> Outcome:
    """The life cycle as one Prefect flow run, one task per stage."""
    from prefect import flow, tags

    failure: list[EvergreenError] = []

    def perform(stage: Stage, *inputs: Any) -> Any:
        progress = artifacts.Progress(order.loaded.recipe.name, stage.name, tell)
        execution.progress = progress
        as_task(stage, lambda: execution.carry_out(stage, *inputs))()
        progress.finish()
        taken = execution.taken[stage.name]
        tell(f"{stage.name} {taken.state} in {taken.seconds:.1f} s")
        return taken.output

    @flow(name="run", flow_run_name=order.loaded.recipe.name, persist_result=False)
    def run(recipe: str, overrides: list[str]) -> Any:
        orphans.note(order.home, order.loaded.recipe.name)
        try:
            walk(order, execution, perform)
        except EvergreenError as error:
            failure.append(error)
            note_stop(order, error)
        outcome = outcome_of(execution, failure[0] if failure else None)
        artifacts.publish(order.home, execution, outcome)
        return artifacts.state_of(outcome)

    name, overrides = order.loaded.recipe.name, [shown(text) for text in order.loaded.overrides]
    # By its tags a server's automations know what to watch.
    with tags(TAG, name):
        state = run(str(order.loaded.file), overrides, return_state=True)
    orphans.forget(order.home, name)
    if not failure:
        state.result(raise_on_failure=state.name != "Stopped")
        return outcome_of(execution)
    if isinstance(failure[0], RequestError):
        raise failure[0]
    return outcome_of(execution, failure[0])


def note_stop(order: Order, error: EvergreenError) -> None:
    """A run that a gate stopped leaves a line in the ledger; a wrong request does not."""
    if isinstance(error, GateStopped):
        blocking = [
            {"name": gate.name, "state": gate.state, "reason": gate.reason} for gate in error.gates if gate.blocks
        ]
        body = {"reason": error.message, "gates": blocking, "recipe_hash": order.loaded.hash}
        record_decision(order.home, order.loaded.recipe.name, "stop", body)


def _consumer_ahead(order: Order, plan: Plan) -> AbstractContextManager[Any]:
    """The process that will try the packaged model imports MLflow and torch while we train."""
    if "decide" not in {step.name for step in plan.runs}:
        return nullcontext()
    return servable.consumer(order.home.tracking_uri)


def _import_ahead(plan: Plan) -> None:
    """Import what the stages need while the server's process boots: both take seconds, on different cores."""
    names = ["prefect", *(name for step in plan.runs for name in HEAVY.get(step.name, ()))]
    # MLflow reads what it may log and send while it is imported.
    prepare_environment()
    for name in names:
        if name not in sys.modules:
            importlib.import_module(name)
