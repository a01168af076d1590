"""Deployments and automations on a live Prefect server: made once, changed where they differ, never doubled.

What is equal is left alone: replacing a deployment drops its scheduled runs, and replacing an automation loses
the events of that moment.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flows.deployments import JOB_VARIABLES, SILENT_SECONDS, TAG, WORKING_FLOWS, Spec, related_flow, related_tag
from tasks.core.errors import RequestError

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.events import AutomationCore

PAGE = 200
"""Entries a Prefect server gives at most at one time."""


async def register(client: PrefectClient, spec: Spec, pool: str | None = None) -> UUID:
    """Make one deployment what it should be, and give its id.

    Args:
        client: Of the server.
        spec: What it should be.
        pool: The work pool that carries it out; none: a runner that asks for it by id.

    Raises:
        RequestError: Prefect does not take the schedule.
    """
    from prefect.client.schemas.actions import DeploymentUpdate

    wanted = _payload(spec, pool)
    found = await _read(client, spec.name)
    if found is not None and found.work_pool_name and pool is None:
        # Only a change takes a pool away; making it anew keeps it.
        await client.update_deployment(found.id, DeploymentUpdate(work_pool_name=None))
    if found is None or _as_payload(found) != _comparable(wanted):
        identity: UUID = await client.create_deployment(flow_id=await client.create_flow_from_name(spec.flow), **wanted)
    else:
        identity = found.id
    await _set_triggers(client, identity, spec)
    return identity


def _payload(spec: Spec, pool: str | None) -> dict[str, Any]:
    """What the server is sent, as the client's method takes it."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.utilities.callables import parameter_schema
    from pydantic import ValidationError

    module, _, function = spec.entrypoint.rpartition(".")
    schedules = []
    if spec.cron:
        try:
            schedules.append(DeploymentScheduleCreate(schedule=CronSchedule(cron=spec.cron, timezone=spec.timezone)))
        except ValidationError:
            raise RequestError(
                f"schedule.{spec.flow} of {spec.recipe}: Prefect does not know the cron line '{spec.cron}'.",
                remedy="Write it with numbers, lists, ranges and steps only.",
                code="recipe",
            ) from None
    return {
        "name": spec.recipe,
        "entrypoint": spec.entrypoint,
        "description": spec.description,
        "parameters": dict(spec.parameters),
        "parameter_openapi_schema": parameter_schema(getattr(importlib.import_module(module), function)).model_dump(
            exclude_unset=True
        ),
        "enforce_parameter_schema": True,
        "tags": list(spec.tags),
        "schedules": schedules,
        "concurrency_limit": spec.concurrency,
        "work_pool_name": pool,
        "job_variables": {name: dict(value) for name, value in JOB_VARIABLES.items()} if pool else {},
        "pull_steps": [],
    }


def _comparable(payload: dict[str, Any]) -> dict[str, Any]:
    schedules = [_cron(item.schedule) for item in payload["schedules"]]
    return {**payload, "schedules": schedules, "tags": sorted(payload["tags"])}


def _as_payload(found: DeploymentResponse) -> dict[str, Any]:
    """What `_comparable` gives, of a deployment on the server; whether a schedule is paused is a person's choice."""
    limit = found.global_concurrency_limit
    return {
        "name": found.name,
        "entrypoint": found.entrypoint,
        "description": found.description,
        "parameters": found.parameters,
        "parameter_openapi_schema": found.parameter_openapi_schema,
        "enforce_parameter_schema": found.enforce_parameter_schema,
        "tags": sorted(found.tags),
        "schedules": [_cron(item.schedule) for item in found.schedules],
        "concurrency_limit": limit.limit if limit else None,
        "work_pool_name": found.work_pool_name,
        "job_variables": found.job_variables,
        "pull_steps": found.pull_steps or [],
    }


def _cron(schedule: Any) -> tuple[Any, Any]:
    return getattr(schedule, "cron", None), getattr(schedule, "timezone", None)


async def _read(client: PrefectClient, name: str) -> DeploymentResponse | None:
    from prefect.exceptions import ObjectNotFound

    try:
        return cast("DeploymentResponse", await client.read_deployment_by_name(name))
    except ObjectNotFound:
        return None


async def _set_triggers(client: PrefectClient, deployment: UUID, spec: Spec) -> None:
    """Make the automations that start a deployment those of its triggers; new ones come before old ones go."""
    from prefect.events import DeploymentEventTrigger

    wanted = []
    for trigger in spec.triggers:
        made = DeploymentEventTrigger.model_validate(trigger)
        made.set_deployment_id(deployment)
        wanted.append(made.as_automation())
    # The server does not say whose they are; automations of other names that start it are a person's.
    names = {automation.name for automation in wanted}
    related = await client.read_resource_related_automations(f"prefect.deployment.{deployment}")
    ours = [automation for automation in related if automation.name in names]
    kept = []
    for automation in wanted:
        same = next((known for known in ours if known.id not in kept and _equal(known, automation)), None)
        kept.append(same.id if same else await client.create_automation(automation))
    for automation in ours:
        if automation.id not in kept:
            await client.delete_automation(automation.id)


def _equal(known: AutomationCore, wanted: AutomationCore) -> bool:
    return bool(_content(known) == _content(wanted))


def _content(automation: AutomationCore) -> Any:
    """What an automation does, without what the server adds and without the switch people have."""
    content = automation.model_dump(mode="json", exclude={"id", "enabled", "created", "updated", "owner_resource"})
    content["trigger"].pop("id", None)
    return _sorted(content)


def _sorted(value: Any) -> Any:
    """Sets travel as lists in any order."""
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(inner) for inner in value), key=str)
    return value


async def keep_watch(client: PrefectClient) -> None:
    """Make the automations all deployments share, each once by its name; one that differs is put right."""
    for wanted in _shared():
        known = await client.read_automations_by_name(wanted.name)
        if not known:
            await client.create_automation(wanted)
        elif not _equal(known[0], wanted):
            await client.update_automation(known[0].id, wanted)
        for double in known[1:]:
            await client.delete_automation(double.id)


def _shared() -> Sequence[AutomationCore]:
    """Runs that say nothing any more are crashed; what crashed and can go on is started again, once an hour at most."""
    from prefect.client.schemas.objects import StateType
    from prefect.events import AutomationCore, EventTrigger, Posture
    from prefect.events.actions import ChangeFlowRunState

    ends = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
    every_run = {"prefect.resource.id": "prefect.flow-run.*"}
    silent = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", *ends},
        match=every_run,
        match_related=related_tag(TAG),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENT_SECONDS),
    )
    crashed = EventTrigger(
        expect={"prefect.flow-run.Crashed"},
        match=every_run,
        match_related=[related_tag(TAG), related_flow(WORKING_FLOWS)],
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(hours=1),
    )
    message = f"It has not been heard of for {SILENT_SECONDS} seconds."
    return (
        AutomationCore(
            name="evergreen: a silent run has crashed",
            description="A process that was killed, or its machine, says nothing any more.",
            trigger=silent,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
        ),
        AutomationCore(
            name="evergreen: a crashed run goes on",
            description="At most once an hour for each run; what was done is kept.",
            trigger=crashed,
            actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message="It goes on.")],
        ),
    )


async def ours(client: PrefectClient) -> list[DeploymentResponse]:
    """Every deployment of ours on the server."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    wanted = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found: list[DeploymentResponse] = []
    while True:
        page = await client.read_deployments(deployment_filter=wanted, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


async def retire(client: PrefectClient, served: Iterable[UUID]) -> None:
    """Take the schedules off deployments that nobody serves any more, so that no late runs pile up for them."""
    known = set(served)
    for deployment in await ours(client):
        if deployment.work_pool_name is None and deployment.id not in known:
            for schedule in deployment.schedules:
                await client.delete_deployment_schedule(deployment.id, schedule.id)
