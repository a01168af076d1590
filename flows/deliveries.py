"""Bringing work back on its way: triggers nobody acts on, runs a dead runner left, runs that were missed.

A trigger's durable place is the ledger. Its event is the fast way; this is the sure one. A trigger is brought
to the server under its own id, so that bringing it twice starts one run.
"""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.deployments import TAG
from tasks.core import clock
from tasks.core.home import Home
from tasks.stores import triggers
from tasks.stores.ledger import parse_time
from tasks.stores.triggers import Trigger

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

GRACE = timedelta(seconds=15)
"""What the event of a trigger, or the command that made it, is given to act on it."""
ATTEMPTS = 3
"""Runs that may be started for one trigger; each waits six times as long as the one before it."""
MISSED = timedelta(minutes=1)
"""A scheduled run that is later than this was due while nobody served it."""


@dataclass(frozen=True)
class Known:
    """A flow run that a server has for a trigger."""

    ended: datetime | None
    """None: it waits or runs."""


def is_due(trigger: Trigger, runs: Sequence[Known], now: datetime, *, held: bool) -> bool:
    """Whether a run has to be started for a trigger.

    Args:
        trigger: As the ledger has it.
        runs: Those the server knows for it.
        now: UTC.
        held: Whether somebody holds the model's lease; who took the trigger may be waiting for it.
    """
    if not trigger.open or any(run.ended is None for run in runs) or len(runs) >= ATTEMPTS:
        return False
    if trigger.state == "taken" and held:
        return False
    since = max([parse_time(trigger.time), *(run.ended for run in runs if run.ended)])
    wait: timedelta = GRACE * 6 ** len(runs)
    return now - since >= wait


class Mailbox:
    """The open triggers of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: Any = None
        self._open: list[Trigger] = []

    async def deliver(self, client: PrefectClient, deployments: Mapping[str, UUID]) -> list[str]:
        """Start a run for each trigger that needs one, and give the triggers' ids.

        Args:
            client: Of the server.
            deployments: Id of each deployment, by flow/recipe.
        """
        delivered = []
        for trigger in self._read():
            deployment = deployments.get(f"retrain/{trigger.model}")
            if deployment is None:
                continue
            runs = await _runs_for(client, deployment, trigger)
            if is_due(trigger, runs, clock.now(), held=_is_held(self._home, trigger.model)):
                await client.create_flow_run_from_deployment(
                    deployment,
                    parameters={"trigger_id": trigger.id, "reason": trigger.reason},
                    name=f"{trigger.model} retrain, {trigger.cause}",
                    idempotency_key=f"{trigger.id}-{len(runs)}",
                )
                delivered.append(trigger.id)
        return delivered

    def _read(self) -> list[Trigger]:
        try:
            status = self._home.ledger.stat()
        except FileNotFoundError:
            return []
        seen = (status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._open = [trigger for trigger in triggers.every(self._home) if trigger.open]
            self._seen = seen
        return self._open


def _is_held(home: Home, model: str) -> bool:
    """Whether somebody holds the model's lease now."""
    try:
        stream = home.lease(model).open()
    except OSError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def _runs_for(client: PrefectClient, deployment: UUID, trigger: Trigger) -> list[Known]:
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
    )

    since = parse_time(trigger.time) - timedelta(minutes=1)
    found = await _all_runs(
        client,
        flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=since)),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
    )
    # A run that was started without a trigger makes one under its own id (flows/scheduled.py).
    return [_known(run) for run in found if trigger.id in (run.parameters.get("trigger_id"), run.id.hex)]


def _known(run: FlowRun) -> Known:
    ended = run.state is not None and run.state.is_final()
    return Known((run.end_time or run.state.timestamp) if ended and run.state else None)


async def _all_runs(client: PrefectClient, **filters: Any) -> list[FlowRun]:
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(**filters, limit=200, offset=len(found))
        found += page
        if len(page) < 200:
            return found


async def bring_back(client: PrefectClient) -> None:
    """Put right what the runner before this one left; it is dead, and its flow runs with it.

    Runs that had begun are Crashed, with what they had started, and the automation for crashed runs starts again
    those that can go on; runs that had not begun wait once more; of the runs each schedule missed, the newest is
    made and the others are not.
    """
    from prefect.states import Cancelled, Crashed, Scheduled

    left = await _ours(client, ("RUNNING", "PENDING", "CANCELLING"))
    for run in left:
        kind = run.state.type.value if run.state else ""
        if kind == "PENDING":
            state = Scheduled(scheduled_time=clock.now())
        elif kind == "CANCELLING":
            state = Cancelled()
        else:
            state = Crashed(message="The runner that carried it out is gone.")
        await client.set_flow_run_state(run.id, state, force=True)
    begun = [run.id for run in left if run.state and run.state.type.value != "PENDING"]
    for run in await _parts_of(client, begun):
        await client.set_flow_run_state(run.id, Crashed(message="The run it is part of crashed."), force=True)
    for run in missed(await _ours(client, ("SCHEDULED",)), clock.now()):
        await client.set_flow_run_state(run.id, Cancelled(name="Missed", message="Nobody served it when it was due."))


def missed(waiting: Iterable[FlowRun], now: datetime) -> list[FlowRun]:
    """Of the runs that a schedule made and that are overdue: all but the newest of each deployment."""
    due = [run for run in waiting if run.auto_scheduled and run.expected_start_time]
    late = [run for run in due if now - run.expected_start_time > MISSED]
    late.sort(key=lambda run: (str(run.deployment_id), run.expected_start_time))
    return [run for run, after in itertools.pairwise(late) if run.deployment_id == after.deployment_id]


async def _ours(client: PrefectClient, kinds: Sequence[str]) -> list[FlowRun]:
    """Flow runs of our deployments that no work pool carries out, in one of these states."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType

    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType(kind) for kind in kinds])),
    )
    found = await _all_runs(client, flow_run_filter=wanted)
    return [run for run in found if run.work_pool_name is None]


async def _parts_of(client: PrefectClient, parents: Sequence[UUID]) -> list[FlowRun]:
    """Flow runs that these had started, and that have not ended."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    if not parents:
        return []
    wanted = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=list(parents)))
    found = await _all_runs(client, flow_run_filter=wanted)
    return [run for run in found if run.state and not run.state.is_final()]
