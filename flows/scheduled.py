"""The flows that schedules, events and forms start; each is a thin shell around what the commands do.

Only what was stopped, or went wrong, ends as Failed: a weekly hold must not page anyone. Parameters are paths,
ids and sentences, as everyone who may open the Prefect pages reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, runtime, tags
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed, State
from pydantic import Field

from flows.deployments import TAG
from flows.orphans import settle_parts
from flows.server import follow
from tasks.core.errors import EvergreenError
from tasks.core.home import Home, open_home
from tasks.core.load import LoadedRecipe, load_recipe

RUNNER = "EVERGREEN_RUNNER"
"""Set by the runner of `up`: its process id."""

# A run must not outlive the runner that answers for it: the next runner starts it again.
if RUNNER in os.environ:
    follow(int(os.environ[RUNNER]))


def _title() -> str:
    """What a run is called: the recipe, what is done, and when it was due."""
    due = runtime.flow_run.scheduled_start_time
    return f"{_recipe_name()} {runtime.flow_run.flow_name}, {due:%d %b %Y %H:%M} UTC"


def _recipe_name() -> str:
    given = runtime.deployment.name
    return str(given) if given else Path(runtime.flow_run.parameters["recipe"]).parent.name


def _carry_out(recipe: str, home: str, work: Callable[[LoadedRecipe, Home, Callable[[str], None]], State]) -> State:
    """Do the work of a flow; an error of ours becomes a failed state of one sentence, without a traceback."""
    logger = get_run_logger()
    if runtime.flow_run.run_count > 1:
        settle_parts(str(runtime.flow_run.id), str(PREFECT_API_URL.value()), logger.info)
    try:
        opened, loaded = open_home(home), load_recipe(recipe)
        # A run that the work starts is found, watched and mended like the one it is part of.
        with tags(TAG, loaded.recipe.name):
            return work(loaded, opened, logger.info)
    except EvergreenError as error:
        logger.error("%s", error)
        return Failed(name="Refused" if error.exit_code in (2, 3) else "Failed", message=str(error))


@flow(name="monitor", flow_run_name=_title, persist_result=False)
def monitor(recipe: str, home: str) -> Any:
    """Compare the newest rows with those of the champion.

    Args:
        recipe: Path of the recipe's file.
        home: Folder of all local state.
    """
    from flows.alerting import alert_stop, settle
    from flows.monitored import state_of
    from flows.monitoring import monitor as look
    from tasks.stores import registry

    def work(loaded: LoadedRecipe, opened: Home, tell: Callable[[str], None]) -> State:
        name = loaded.recipe.name
        if registry.champion_version(opened, name) is None:
            # For a person that is a mistake; for a schedule it is too early.
            return Completed(name="Waiting", message=f"{name} has no champion yet, so there is nothing to compare.")
        try:
            found = look(loaded, opened, tell=tell)
        except EvergreenError as error:
            # Nobody sits before a schedule: that new rows could not be looked at would go unnoticed.
            alert_stop(loaded, opened, "nobody could look for drift", error.message, tell, topic="monitor")
            raise
        settle(opened, name, "monitor", tell)
        return state_of(found)

    return _carry_out(recipe, home, work)


@flow(name="retrain", flow_run_name=_title, persist_result=False)
def retrain(recipe: str, home: str, trigger_id: str = "", reason: str = "") -> Any:
    """Ask the policy, and train a challenger if it says so.

    Args:
        recipe: Path of the recipe's file.
        home: Folder of all local state.
        trigger_id: Trigger in the ledger that is answered; empty: one is made.
        reason: Why, in one sentence, where no trigger says so.
    """
    from flows import artifacts
    from flows.retraining import retrain as answer

    def work(loaded: LoadedRecipe, opened: Home, tell: Callable[[str], None]) -> State:
        # A run that is started again after a crash goes on with the trigger it made before.
        known = trigger_id or UUID(str(runtime.flow_run.id)).hex
        scheduled = not (trigger_id or reason)
        answered = answer(
            loaded,
            opened,
            reason=reason or "the schedule",
            cause="schedule" if scheduled else "person",
            trigger_id=known,
            tell=tell,
        )
        if answered.outcome is not None:
            return artifacts.state_of(answered.outcome)
        return Completed(name=answered.trigger.state.capitalize(), message=answered.decision.reason)

    return _carry_out(recipe, home, work)


@flow(name="approve", flow_run_name=_title, persist_result=False)
def approve(
    recipe: str,
    home: str,
    version: Annotated[str, Field(min_length=1)],
    reason: Annotated[str, Field(min_length=1)],
    unblock: bool = False,
) -> Any:
    """Make a version the champion because a person says so; it must prove servable first.

    Args:
        recipe: Path of the recipe's file.
        home: Folder of all local state.
        version: Number of the version, as the model's page in MLflow shows it.
        reason: Why. It stands in the ledger for good.
        unblock: Also if a rollback has blocked this version.
    """
    from flows.champion import promote

    def work(loaded: LoadedRecipe, opened: Home, tell: Callable[[str], None]) -> State:
        name = loaded.recipe.name
        moved = promote(opened, name, version.strip(), reason=reason, unblock=unblock, wait=True, tell=tell)
        return Completed(name="Promoted", message=f"{name}: version {moved.version} is champion.")

    return _carry_out(recipe, home, work)


@flow(name="roll-back", flow_run_name=_title, persist_result=False)
def roll_back(recipe: str, home: str, reason: Annotated[str, Field(min_length=1)], to: str = "") -> Any:
    """Go back to an earlier champion, and block the version that is left.

    Args:
        recipe: Path of the recipe's file.
        home: Folder of all local state.
        reason: Why. It stands in the ledger for good.
        to: Version, or time in ISO 8601; empty: the champion before.
    """
    from flows.champion import roll_back as go_back

    def work(loaded: LoadedRecipe, opened: Home, tell: Callable[[str], None]) -> State:
        name = loaded.recipe.name
        moved = go_back(opened, name, to=to.strip() or None, reason=reason, wait=True, tell=tell)
        return Completed(name="RolledBack", message=f"{name}: version {moved.version} is champion again.")

    return _carry_out(recipe, home, work)


@flow(name="alert", flow_run_name=_title, persist_result=False)
def alert(recipe: str, home: str, happened: str, run: str) -> Any:
    """Tell the hooks of a recipe that one of its runs crashed or did not start in time.

    Args:
        recipe: Path of the recipe's file.
        home: Folder of all local state.
        happened: Prefect's event: `prefect.flow-run.Crashed` or `prefect.flow-run.Late`.
        run: Prefect's name for the run: `prefect.flow-run.<id>`.
    """
    from flows.alerting import alert as tell_hooks

    def work(loaded: LoadedRecipe, opened: Home, tell: Callable[[str], None]) -> State:
        what, reason = _what_happened(happened, run.rpartition(".")[2])
        subject = "a run crashed" if what == "crashed" else "a run did not start in time"
        missed = tell_hooks(loaded, opened, what, subject=subject, reason=reason, once=f"{happened} {run}", tell=tell)
        if missed:
            return Failed(name="Undelivered", message=f"The alert did not reach {', '.join(missed)}.")
        return Completed(message=reason)

    return _carry_out(recipe, home, work)


def _what_happened(event: str, run_id: str) -> tuple[Any, str]:
    """The event of the recipe's hooks, and one sentence about the run."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_flow_run(run_id)
        about = f"{client.read_flow(found.flow_id).name} '{found.name}'"
    if event.endswith("Late"):
        now = found.state.name if found.state else "unknown"
        return "overdue", f"{about} was due at {found.expected_start_time:%d %b %Y %H:%M} UTC; it is {now} now."
    return "crashed", f"{about} ended without a word; it is started once more where that is safe."
