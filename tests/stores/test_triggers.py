"""A trigger's life stands in the ledger: each step once, and no step after its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import clock
from tasks.core.home import Home
from tasks.stores import triggers
from tasks.stores.ledger import Ledger

ENDS = ("ran", "coalesced", "refused")


def lines(home: Home) -> list[str]:
    return [entry.body["state"] for entry in Ledger(home.ledger).entries("wine")]


def test_a_trigger_is_known_once_by_its_id_or_by_the_evidence_behind_it(home: Home) -> None:
    first = triggers.propose(home, "wine", "drift", "drift", evidence="e" * 64)
    assert triggers.propose(home, "wine", "told again", "drift", evidence="e" * 64) == first
    assert triggers.propose(home, "wine", "told again", "schedule", trigger_id=first.id) == first
    other = triggers.propose(home, "wine", "a tick", "schedule", trigger_id="tick-1")
    assert [trigger.id for trigger in triggers.every(home, "wine")] == [first.id, "tick-1"] and other.open
    assert triggers.propose(home, "beer", "a tick", "schedule", trigger_id="tick-1").model == "beer"


def test_taking_and_beginning_are_noted_once_per_source_and_a_run_keeps_its_own(home: Home) -> None:
    one = triggers.propose(home, "wine", "a tick", "schedule")
    for _ in range(2):
        assert triggers.take(home, "wine", one.id, "s1").source == "s1"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hour, source in enumerate(("s1", "s1", "s2")):
        with clock.at(start.replace(year=2099) + timedelta(hours=hour)):
            found = triggers.begin(home, "wine", one.id, source, "The schedule asked for it.")
    assert (found.state, found.source, found.policy) == ("taken", "s2", "The schedule asked for it.")
    assert found.began is not None and found.began.startswith("2099-01-01T02")
    assert triggers.take(home, "wine", one.id, "s3") == found
    assert lines(home) == ["pending", "taken", "taken", "taken"]


@pytest.mark.parametrize("state", ENDS)
def test_an_end_is_the_last_word(home: Home, state: Any) -> None:
    one = triggers.propose(home, "wine", "a tick", "schedule")
    ended = triggers.end(home, "wine", one.id, state, "so it was", into="x", decision="d" * 64)
    assert (ended.state, ended.open, ended.outcome, ended.into, ended.decision) == (
        state,
        False,
        "so it was",
        "x",
        "d" * 64,
    )
    assert ended.ended is not None and ended.ended >= ended.time
    for other in ENDS:
        assert triggers.end(home, "wine", one.id, other, "no") == ended
    assert triggers.take(home, "wine", one.id, "s") == ended
    assert triggers.begin(home, "wine", one.id, "s", "yes") == ended
    kinds = [entry.kind for entry in Ledger(home.ledger).entries("wine")]
    assert kinds == ["trigger", "refused" if state == "refused" else "trigger"]


def test_what_nobody_proposed_can_be_neither_taken_nor_ended(home: Home) -> None:
    for act in (
        lambda: triggers.take(home, "wine", "none", "s"),
        lambda: triggers.begin(home, "wine", "none", "s", "yes"),
        lambda: triggers.end(home, "wine", "none", "ran", "done"),
        lambda: triggers.find(home, "wine", "none"),
    ):
        with pytest.raises(KeyError):
            act()


steps = st.lists(st.tuples(st.sampled_from(("propose", "take", "begin", *ENDS)), st.sampled_from("ab")), max_size=12)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_whatever_the_order_of_the_acts_every_trigger_ends_at_most_once(tmp_path_factory: Any, acts: Any) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    for act, one in [("propose", "a"), ("propose", "b"), *acts]:
        if act == "propose":
            triggers.propose(home, "wine", "why", "schedule", trigger_id=one)
        elif act == "take":
            triggers.take(home, "wine", one, "s")
        elif act == "begin":
            triggers.begin(home, "wine", one, "s", "yes")
        else:
            triggers.end(home, "wine", one, act, act)
    entries = Ledger(home.ledger).entries("wine")
    for one in "ab":
        states = [entry.body["state"] for entry in entries if entry.body["id"] == one]
        first_end = next((act for act, of in acts if of == one and act in ENDS), None)
        assert [state for state in states if state in ENDS] == ([first_end] if first_end else [])
        assert states[0] == "pending" and states.count("pending") == 1
        assert not first_end or states[-1] == first_end


def test_two_who_end_a_trigger_at_once_leave_one_line(home: Home) -> None:
    one = triggers.propose(home, "wine", "a tick", "schedule")
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda number: triggers.end(home, "wine", one.id, "ran", str(number)), range(8)))
    assert len({trigger.outcome for trigger in ended}) == 1 and lines(home) == ["pending", "ran"]
