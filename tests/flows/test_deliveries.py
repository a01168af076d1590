"""When a run is started for a trigger, and which missed runs are made up for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from flows.deliveries import ATTEMPTS, GRACE, Known, Mailbox, is_due, missed
from tasks.core.home import Home
from tasks.stores import triggers
from tasks.stores.triggers import Trigger

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def trigger(state: str = "pending", age: timedelta = GRACE) -> Trigger:
    return Trigger("a1", "claims", state, (NOW - age).isoformat(), "drift", "drift")  # type: ignore[arg-type]


def ended(ago: timedelta) -> Known:
    return Known(NOW - ago)


@pytest.mark.parametrize(
    ("given", "runs", "held", "due"),
    [
        pytest.param(trigger(), [], False, True, id="nobody acts on it"),
        pytest.param(trigger(age=GRACE - SECOND), [], False, False, id="its event may be on the way"),
        pytest.param(trigger(), [], True, True, id="pending, while another run holds the lease: it can coalesce"),
        pytest.param(trigger(age=timedelta(days=9)), [Known(None)], False, False, id="a run waits or works"),
        pytest.param(trigger("taken"), [], True, False, id="who took it may wait for the lease"),
        pytest.param(trigger("taken"), [], False, True, id="who took it is gone"),
        pytest.param(trigger("ran"), [], False, False, id="it has ended: ran"),
        pytest.param(trigger("coalesced"), [], False, False, id="it has ended: coalesced"),
        pytest.param(trigger("refused"), [], False, False, id="it has ended: refused"),
        pytest.param(trigger(age=timedelta(1)), [ended(6 * GRACE - SECOND)], False, False, id="its run just failed"),
        pytest.param(trigger(age=timedelta(1)), [ended(6 * GRACE)], False, True, id="… and is tried again later"),
        pytest.param(trigger(age=timedelta(1)), [ended(timedelta(1))] * ATTEMPTS, False, False, id="often enough"),
    ],
)
def test_a_trigger_is_brought_to_the_server_when_nobody_acts_on_it(
    given: Trigger, runs: list[Known], held: bool, due: bool
):
    assert is_due(given, runs, NOW, held=held) is due


def test_the_mailbox_reads_the_ledger_only_when_it_was_written(home: Home):
    mailbox = Mailbox(home)
    assert mailbox._read() == []
    triggers.propose(home, "claims", "it drifted", "drift", trigger_id="a1")
    first = mailbox._read()
    assert [found.id for found in first] == ["a1"]
    assert mailbox._read() is first
    triggers.end(home, "claims", "a1", "refused", "too early")
    assert mailbox._read() == []


@dataclass
class Run:
    """What is looked at of a Prefect flow run."""

    deployment_id: UUID
    expected_start_time: datetime
    auto_scheduled: bool = True


def test_of_the_runs_a_schedule_missed_the_newest_is_made():
    hourly, weekly = UUID(int=1), UUID(int=2)
    late = [Run(hourly, NOW - timedelta(hours=hours)) for hours in (3, 1, 2)]
    others = [
        Run(weekly, NOW - timedelta(days=2)),
        Run(hourly, NOW - timedelta(seconds=30)),
        Run(hourly, NOW + timedelta(hours=1)),
        Run(hourly, NOW - timedelta(days=5), auto_scheduled=False),
    ]
    found = missed([*late, *others], NOW)  # type: ignore[list-item]
    assert [NOW - run.expected_start_time for run in found] == [timedelta(hours=3), timedelta(hours=2)]
