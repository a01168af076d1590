"""What a recipe is started by: deployments with their schedules, triggers and forms, as plain data.

`specs` is pure. It is rendered in two ways: to a live server (`flows/registration.py`: `up` and `deploy`) and to
the text of a prefect.yaml (`prefect_yaml`). A test holds both against each other on a real server.

No retraining has a cool-down or a concurrency limit: Prefect would drop what comes meanwhile, or start it late
and out of order. Every start is a short flow; policy, lease and ledger judge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flows.events import DRIFT_DETECTED
from flows.server import QUIET
from tasks.core import clock
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.recipe import Recipe

TAG = "evergreen"
"""On every deployment and flow run of ours; the automations look for it."""
WORKING_FLOWS = ("monitor", "retrain")
"""Flows that begin where they stopped when they are started again: a crash starts them once more."""
WATCHED_FLOWS = (*WORKING_FLOWS, "approve", "roll-back")
"""Flows whose crash or delay is alerted; the flow that alerts is not among them, or it would call itself."""
DELAY_SECONDS = 600
"""One alert in so many seconds about runs that are overdue: after a weekend switched off, many are at once."""
SILENT_SECONDS = 90
"""A run that has said nothing for so long counts as crashed; three heartbeats of those set below."""
JOB_VARIABLES = {"env": {name: QUIET[name] for name in ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY",)}}
"""What a work pool gives to the process of a run."""


@dataclass(frozen=True)
class Spec:
    """One deployment."""

    flow: str
    recipe: str
    """Name of the recipe: also the deployment's."""
    entrypoint: str
    """Dotted name of the flow's function: found wherever Evergreen is installed."""
    description: str
    parameters: Mapping[str, Any]
    tags: tuple[str, ...]
    cron: str | None = None
    timezone: str = "UTC"
    triggers: tuple[Mapping[str, Any], ...] = ()
    """As a prefect.yaml has them."""
    concurrency: int | None = None
    """Runs at one time; none: no limit."""

    @property
    def name(self) -> str:
        """As `prefect deployment run` takes it: flow/deployment."""
        return f"{self.flow}/{self.recipe}"

    @property
    def summary(self) -> dict[str, Any]:
        """As `deploy` tells it."""
        schedule = f"{self.cron} {self.timezone}" if self.cron else None
        return {"name": self.name, "schedule": schedule, "triggers": [trigger["name"] for trigger in self.triggers]}


def specs(loaded: LoadedRecipe, home: Home) -> tuple[Spec, ...]:
    """Every deployment of a recipe, with the paths of this machine as parameters."""
    return specs_of(loaded.recipe, str(loaded.file), str(home.root))


def specs_of(recipe: Recipe, file: str, home: str) -> tuple[Spec, ...]:
    """Every deployment of a recipe whose file and home are called so where its flows run."""
    name, times = recipe.name, recipe.schedule

    def spec(flow: str, function: str, description: str, **more: Any) -> Spec:
        parameters = {"recipe": file, "home": home}
        return Spec(flow, name, f"flows.scheduled.{function}", description, parameters, (TAG, name), **more)

    zone = times.timezone
    return (
        spec("monitor", "monitor", MONITOR, cron=times.monitor, timezone=zone),
        spec("retrain", "retrain", RETRAIN, cron=times.retrain, timezone=zone, triggers=(_on_drift(name),)),
        spec("approve", "approve", APPROVE),
        spec("roll-back", "roll_back", ROLL_BACK),
        spec("alert", "alert", ALERT, triggers=(_alert(name, "Crashed", 0), _alert(name, "Late", DELAY_SECONDS))),
    )


MONITOR = "Compares the newest rows with those of the champion; confirmed drift asks for a retraining."
RETRAIN = "Asks the recipe's policy, and trains a challenger if it says so; the gates decide what becomes of it."
APPROVE = "Makes a version the champion because a person says so. Fill in version and reason."
ROLL_BACK = "Goes back to an earlier champion and blocks the version that is left. Fill in the reason."
ALERT = "Tells the hooks of the recipe that a run crashed or did not start in time."


def _on_drift(name: str) -> dict[str, Any]:
    """A retraining for each event, whatever else runs: what a trigger leads to is judged in the flow."""
    return {
        "type": "event",
        "name": f"retrain {name} on drift",
        "posture": "Reactive",
        "expect": [DRIFT_DETECTED],
        "match": {"prefect.resource.id": f"evergreen.model.{name}"},
        "threshold": 1,
        "within": 0,
        "parameters": {"trigger_id": "{{ event.payload.trigger_id }}", "reason": "{{ event.payload.reason }}"},
    }


def _alert(name: str, state: str, pause: int) -> dict[str, Any]:
    """An alert when a run gets into a state; the next one after so many seconds."""
    return {
        "type": "event",
        "name": f"alert about {name}: {state.lower()}",
        "posture": "Reactive",
        "expect": [f"prefect.flow-run.{state}"],
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        # Each has to be found among what the run is related to.
        "match_related": [related_tag(name), related_flow(WATCHED_FLOWS)],
        "threshold": 1,
        "within": pause,
        "parameters": {
            "happened": "{{ event.event }}",
            "run": "{{ event.resource['prefect.resource.id'] }}",
        },
    }


def related_tag(name: str) -> dict[str, Any]:
    """A trigger's condition: the flow run has this tag."""
    return {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{name}"}


def related_flow(names: Sequence[str]) -> dict[str, Any]:
    """A trigger's condition: the flow run is one of these flows."""
    return {"prefect.resource.role": "flow", "prefect.resource.name": list(names)}


def prefect_yaml(found: Iterable[Spec], pool: str) -> str:
    """The deployments as the text of a prefect.yaml, for `prefect deploy --all`."""
    import yaml

    entries = [_as_yaml(spec, pool) for spec in found]
    # An empty list says that there is nothing to fetch: Evergreen is installed where the flows run.
    content = {"name": "evergreen", "pull": [], "deployments": entries}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118))


def _as_yaml(spec: Spec, pool: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": spec.recipe,
        "entrypoint": spec.entrypoint,
        "description": spec.description,
        "tags": list(spec.tags),
        "parameters": dict(spec.parameters),
        "concurrency_limit": spec.concurrency,
        "schedules": [{"cron": spec.cron, "timezone": spec.timezone}] if spec.cron else [],
        "triggers": [dict(trigger) for trigger in spec.triggers],
        "work_pool": {"name": pool, "job_variables": {"env": dict(JOB_VARIABLES["env"])}},
    }
    return entry


def next_times(recipe: Recipe, count: int = 1, after: datetime | None = None) -> dict[str, list[datetime]]:
    """The next times, in the recipe's time zone, at which each scheduled flow is due."""
    from cronsim import CronSim

    times = recipe.schedule
    start = (after or clock.now()).astimezone(ZoneInfo(times.timezone))
    found = {}
    for flow, cron in (("monitor", times.monitor), ("retrain", times.retrain)):
        if cron:
            ticks = CronSim(cron, start)
            found[flow] = [next(ticks) for _ in range(count)]
    return found


@dataclass(frozen=True)
class Found:
    """The recipes that `up` is for."""

    recipes: tuple[LoadedRecipe, ...]
    problems: tuple[str, ...]
    """One sentence per recipe that cannot be used."""


def recipe_files(home: Home, folder: Path) -> list[Path]:
    """Files of the recipes that a home has worked on, then those under `data/` of a folder; a file comes once."""
    import json

    claims = sorted((home.root / "results").glob("*/folder.json"))
    claimed = [Path(json.loads(claim.read_text())["recipe"]) for claim in claims]
    beside = sorted(file.resolve() for file in (folder / "data").glob("*/recipe.yaml"))
    return list(dict.fromkeys(file for file in [*claimed, *beside] if file.is_file()))


def find_recipes(home: Home, folder: Path) -> Found:
    """Load the recipes that `up` is for: all that the home has worked on, and those beside it that have a schedule."""
    from tasks.core.errors import RequestError
    from tasks.core.load import claim, load_recipe

    found: dict[str, LoadedRecipe] = {}
    problems = []
    for file in recipe_files(home, folder):
        try:
            loaded = load_recipe(str(file))
            claim(home, loaded, write=False)
        except RequestError as error:
            problems.append(str(error))
            continue
        claimed = (home.results(loaded.recipe.name) / "folder.json").is_file()
        if claimed or loaded.recipe.schedule.monitor or loaded.recipe.schedule.retrain:
            found.setdefault(loaded.recipe.name, loaded)
    return Found(tuple(found.values()), tuple(problems))
