"""Moving the champion: one act that a crash at any point leaves undone or done, and the ledger knows which.

The order is: decision (ledger) → intent (ledger) → alias (MLflow) → done (ledger) → tags (MLflow). An intent
without its `done` is an act that was interrupted; the next command finds it and finishes it. Tags repeat
what the ledger says, for people who look at MLflow, so they are brought into line with it at any time.

Whoever calls these functions holds the model's lease (`tasks/stores/lease.py`), and has made sure that the
version can be loaded (`tasks/release/servable.py`): this file decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.release.standing import blocked, check_ledger, check_version, mirror, refused, rollback_target
from tasks.stores import runs
from tasks.stores.ledger import Entry, Ledger, Move
from tasks.stores.registry import champion_version, version

__all__ = [
    "Moved",
    "blocked",
    "promote",
    "promote_by_person",
    "record_decision",
    "recover",
    "rollback",
    "rollback_target",
    "unblock_version",
]

Evidence = Callable[[str], Mapping[str, Any]]
"""Looks at the version that is about to become champion, once nothing else stands against it: what it gives
(gates, for instance) enters the ledger with the decision; what it raises keeps the champion where it is."""


@dataclass(frozen=True)
class Moved:
    """The champion after a promotion or a rollback."""

    version: str
    previous: str | None
    decision_id: str
    repeated: bool = False
    """The act had been done before, by an earlier attempt of the same command."""


def record_decision(home: Home, name: str, kind: str, body: Mapping[str, Any], actor: str | None = None) -> str:
    """Enter a decision in the ledger and give its id, the hash of its line.

    A decision is known by `body["key"]` (without one, by its whole body) and the champion at the time:
    repeating it gives the same line. `champion` is added to the body where it is absent.

    Raises:
        ServiceError: ledger or registry do not answer.
    """
    full = {"champion": champion_version(home, name), **body}
    ledger = Ledger(home.ledger)
    entry = ledger.append(kind, name, full, actor, unless=lambda entries: _same_decision(entries, kind, full))
    mirror(home, name)
    return entry.hash


def promote(home: Home, name: str, number: str, decision: str) -> Moved:
    """Make a version champion, as a `promote` decision in the ledger says.

    Raises:
        GateError: the version is blocked, or the champion is not the one the decision was made against.
        RequestError: there is no such version, or no such decision.
    """
    recover(home, name)
    ledger = Ledger(home.ledger)
    done = _last_move(ledger, name)
    if done and done.decision and done.decision.hash == decision and done.target == number:
        return Moved(number, done.origin, decision, repeated=True)
    found = ledger.find(decision)
    if found is None or (found.kind, found.model, found.body.get("version", number)) != ("promote", name, number):
        raise RequestError(
            f"The ledger has no decision {decision[:12]} to promote {name}/{number}.",
            remedy="Run the recipe again.",
            code="decision",
        )
    check_version(home, name, number)
    if number in blocked(home, name):
        raise refused(
            "promotion",
            f"{name}/{number} is blocked: {blocked(home, name)[number]}.",
            f"Lift it with `evergreen promote {name}/{number} --unblock --reason …`.",
        )
    champion = champion_version(home, name)
    if champion != found.body.get("champion"):
        raise refused(
            "promotion",
            f"{name} had champion {found.body.get('champion')} when this was decided; now it is {champion}.",
            "Run the recipe again.",
        )
    return _move(home, name, champion, number, found)


def promote_by_person(
    home: Home, name: str, number: str, *, reason: str, unblock: bool = False, evidence: Evidence | None = None
) -> Moved:
    """Make a version champion because a person says so.

    The rule of the run's own decision about this version is kept, where it made one.

    Raises:
        GateError: the version is blocked and `unblock` is false.
        RequestError: there is no such version, or it is champion already.
    """
    recover(home, name)
    check_version(home, name, number)
    ledger = Ledger(home.ledger)
    champion = champion_version(home, name)
    if champion == number:
        done = _last_move(ledger, name)
        if done and done.decision and done.decision.body.get("by_person") and done.decision.body["reason"] == reason:
            return Moved(number, done.origin, done.decision.hash, repeated=True)
        raise RequestError(f"{name}/{number} is the champion already.", remedy="Nothing to do.", code="version")
    ruled_out = blocked(home, name)
    if number in ruled_out and not unblock:
        raise refused("promotion", f"{name}/{number} is blocked: {ruled_out[number]}.", "Repeat it with --unblock.")
    proof = dict(evidence(number)) if evidence else {}
    if number in ruled_out:
        unblock_version(home, name, number, reason)
    body: dict[str, Any] = {"version": number, "champion": champion, "reason": reason, "by_person": True}
    body["key"] = f"person/{number}/{reason}"
    basis = _decision_about(ledger, name, number, champion)
    if basis is not None:
        body |= {"basis": basis.hash, "rule": basis.body.get("rule")}
    decision = record_decision(home, name, "promote", {**proof, **body})
    return promote(home, name, number, decision)


def rollback(home: Home, name: str, *, reason: str, to: str | None = None, evidence: Evidence | None = None) -> Moved:
    """Go back to an earlier champion (see `rollback_target`) and block the version that is left.

    Two rollbacks in a row with the same `to` and the same reason are one: the second finds it done.

    Raises:
        RequestError, GateError: as `rollback_target` does.
    """
    recover(home, name)
    ledger = Ledger(home.ledger)
    done = _last_move(ledger, name)
    asked = {"asked": to, "reason": reason}
    if (
        done
        and done.target
        and done.decision
        and done.decision.kind == "rollback"
        and asked.items() <= done.decision.body.items()
    ):
        return Moved(done.target, done.origin, done.decision.hash, repeated=True)
    target = rollback_target(home, name, to)
    champion = champion_version(home, name)
    proof = dict(evidence(target)) if evidence else {}
    body = {**proof, "version": target, "champion": champion, "key": f"rollback/{to}/{reason}", **asked}
    decision = record_decision(home, name, "rollback", body)
    entry = ledger.find(decision)
    assert entry is not None
    return _move(home, name, champion, target, entry)


def unblock_version(home: Home, name: str, number: str, reason: str) -> None:
    """Let a version that a rollback ruled out be promoted again.

    Raises:
        RequestError: there is no such version.
    """
    check_version(home, name, number)
    ledger = Ledger(home.ledger)
    if number in blocked(home, name):
        ledger.append("unblock", name, {"version": number, "reason": reason})
    mirror(home, name)


def recover(home: Home, name: str) -> list[str]:
    """Finish what a crash interrupted, and enter what somebody else moved; says in words what it found.

    Raises:
        GateError: the ledger does not hold; nothing is done on top of it.
        ServiceError: ledger or registry do not answer.
    """
    ledger = Ledger(home.ledger)
    check_ledger(home, name)
    champion = champion_version(home, name)
    said = []
    intent = _open_intent(ledger, name)
    if intent is not None:
        said.append(_settle(home, name, ledger, intent, champion))
        champion = champion_version(home, name)
    known = ledger.champion(name)
    if champion != known:
        reason = "the alias was moved outside Evergreen"
        ledger.append("observed", name, {"from": known, "to": champion, "version": champion, "reason": reason})
        said.append(f"{reason}: {name} went from {known} to {champion}")
    mirror(home, name)
    return said


def _move(home: Home, name: str, origin: str | None, target: str, decision: Entry) -> Moved:
    ledger = Ledger(home.ledger)
    intent = ledger.append("intent", name, {"from": origin, "to": target, "decision": decision.hash})
    _settle(home, name, ledger, intent, origin)
    mirror(home, name)
    return Moved(target, origin, decision.hash)


def _settle(home: Home, name: str, ledger: Ledger, intent: Entry, champion: str | None) -> str:
    """Bring an intent to its end: the alias set and `done` entered, or void if somebody else got in between."""
    origin, target = intent.body["from"], intent.body["to"]
    body = {**intent.body, "intent": intent.hash, "version": target, "outcome": "moved"}
    if champion == target:
        body["since"] = intent.time  # the alias was set before the crash, at most moments after the intent
    elif champion == origin and version(home, name, target) is not None:
        runs.set_alias(home, name, target)
    else:
        ledger.append("done", name, {**body, "outcome": "void"})
        return f"gave up the interrupted move of {name} to {target}: somebody else moved the alias"
    ledger.append("done", name, body)
    return f"finished the interrupted move of {name} from {origin} to {target}"


def _same_decision(entries: Sequence[Entry], kind: str, body: Mapping[str, Any]) -> Entry | None:
    """The line an earlier attempt of this decision left since the champion last moved."""
    for entry in reversed(entries):
        if entry.kind in ("done", "observed", "unblock"):
            return None
        if entry.kind == kind and entry.body.get("champion") == body["champion"]:
            same = entry.body.get("key") == body["key"] if "key" in body else entry.body == body
            if same:
                return entry
    return None


def _decision_about(ledger: Ledger, name: str, number: str, champion: str | None) -> Entry | None:
    """The newest `promote` decision of a run about this version, made against this champion."""
    for entry in reversed(ledger.entries(name)):
        body = entry.body
        if entry.kind == "promote" and body.get("version") == number and not body.get("by_person"):
            return entry if body.get("champion") == champion else None
    return None


def _open_intent(ledger: Ledger, name: str) -> Entry | None:
    intent = None
    for entry in ledger.entries(name):
        if entry.kind == "intent":
            intent = entry
        elif entry.kind == "done":
            intent = None
    return intent


def _last_move(ledger: Ledger, name: str) -> Move | None:
    moves = ledger.moves(name)
    return moves[-1] if moves else None
