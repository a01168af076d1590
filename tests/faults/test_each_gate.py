"""Each gate is the only one to stop its fault, in the real flow; switched off, it lets the fault through."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flows.outcome import Outcome
from flows.server import PrefectApi
from flows.training import Order, execute
from tasks.core.contracts import GATES
from tasks.core.errors import RequestError
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe
from tasks.stores import registry
from tasks.stores.ledger import Ledger
from tests.faults.fault_table import FAULTS, Fault
from tests.faults.patients import cells, write_recipe

QUICK = ("readable", "schema", "volume", "leakage")
"""Tried in every test run, as far as the gate's stage; the slow test below orders a promotion."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a running Prefect server; every fault is a model of its own in it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    before = dict(os.environ)
    made = open_home(str(tmp_path_factory.mktemp("faults") / "home"))
    with PrefectApi(made) as api:
        api.wait()
        # Prefect reads the environment once, and another test may have made it do so before.
        with temporary_settings({PREFECT_API_URL: api.url}):
            yield made
    os.environ.clear()
    os.environ.update(before)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: str
    exit_code: int
    reason: str
    gates: dict[str, dict[str, Any]]

    @property
    def stopped_by(self) -> set[str]:
        """Every gate that said no, or could not say yes."""
        return {name for name, gate in self.gates.items() if gate["state"] in ("failed", "error")}


def run(order: Order) -> Ended:
    """Carry out an order for real."""
    try:
        outcome: Outcome = execute(order)
    except RequestError as error:
        return Ended("refused", error.exit_code, error.message, {})
    gates = {gate["name"]: gate for gate in outcome.payload["gates"]}
    return Ended(outcome.status, outcome.exit_code, outcome.reason, gates)


def planted(gate: str, folder: Path, home: Home, *, name: str = "", **options: Any) -> Order:
    """Plant the gate's fault in a clean recipe and order a run of it."""
    fault = FAULTS[gate]
    named = f"name={name or gate}"
    write_recipe(folder, gate)
    if fault.before is not None:
        clean = run(Order(load_recipe(str(folder), (named,)), home, until=fault.before))
        assert clean.stopped_by == set(), clean
    fault.plant(folder)
    return Order(load_recipe(str(folder), (named, *fault.overrides)), home, **options)


def without(order: Order, gate: str) -> Order:
    """The same order in a drill that switches the gate off."""
    return replace(order, disabled=frozenset({gate}))


def assert_stopped(ended: Ended, gate: str, fault: Fault) -> None:
    """The fault was stopped by its gate alone, which says what is wrong."""
    assert ended.stopped_by == {gate}, ended
    assert (ended.status, ended.exit_code) == (fault.status, 3)
    assert all(word in ended.gates[gate]["evidence"]["reason"] for word in fault.names), ended.reason


def assert_tells_no_value(order: Order, ended: Ended) -> None:
    """No cell of the data is in the evidence, in the reason or in the ledger."""
    ledger = [entry.body for entry in Ledger(order.home.ledger).entries(order.loaded.recipe.name)]
    told = json.dumps([ended.reason, ended.gates, ledger], default=str)
    assert not [cell for cell in cells(order.loaded.folder) if cell in told]


def champion(order: Order) -> str | None:
    return registry.champion_version(order.home, order.loaded.recipe.name)


def test_the_table_has_a_fault_for_every_gate() -> None:
    assert list(FAULTS) == list(GATES)


@pytest.mark.parametrize("gate", QUICK)
def test_the_fault_is_stopped_by_its_gate_and_passes_its_stage_without_it(
    gate: str, home: Home, tmp_path: Path
) -> None:
    order = planted(gate, tmp_path / gate, home, name=f"quick_{gate}", until=GATES[gate])
    ended = run(order)
    assert_stopped(ended, gate, FAULTS[gate])
    assert_tells_no_value(order, ended)
    drilled = run(without(order, gate))
    with pytest.raises(AssertionError):
        assert_stopped(drilled, gate, FAULTS[gate])
    assert (drilled.status, drilled.stopped_by) == ("completed", set())
    assert drilled.gates[gate]["state"] == "skipped"
    assert run(order).stopped_by == {gate}, "an ordinary run has used what the drill let through"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("gate", GATES)
def test_the_gate_alone_keeps_its_fault_from_being_promoted(gate: str, home: Home, tmp_path: Path) -> None:
    fault = FAULTS[gate]
    order = planted(gate, tmp_path / gate, home)
    before = champion(order)
    ended = run(order)
    assert_stopped(ended, gate, fault)
    assert_tells_no_value(order, ended)
    drilled = run(without(order, gate))
    with pytest.raises(AssertionError):
        assert_stopped(drilled, gate, fault)
    assert drilled.stopped_by == set(), drilled
    if fault.otherwise:
        assert drilled.status == "refused", drilled
    else:
        # Nothing else stood in its way: it is held only because a drill promotes nothing.
        assert drilled.status == "held", drilled
        assert drilled.reason == f"Passed with {gate} switched off, which never promotes."
    assert champion(order) == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_that_faults_are_planted_in_passes_every_gate_and_is_promoted(home: Home, tmp_path: Path) -> None:
    write_recipe(tmp_path / "clean", "clean")
    order = Order(load_recipe(str(tmp_path / "clean")), home)
    ended = run(order)
    assert (ended.status, ended.exit_code, ended.stopped_by) == ("promoted", 0, set()), ended
    assert list(ended.gates) == list(GATES)
    skipped = {name for name, gate in ended.gates.items() if gate["state"] == "skipped"}
    assert skipped == {"better_than_champion"}, "there is no champion yet; every other gate has something to judge"
    assert champion(order) == "1"
    assert_tells_no_value(order, ended)
