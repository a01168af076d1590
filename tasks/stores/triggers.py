"""Triggers: reasons to retrain, from the moment one is known until what became of it is written down.

A trigger is known by its id. Its whole life stands in the ledger, so that a crash at any point loses nothing
and a trigger that is delivered twice is handled once:

pending      it is known, and nobody has acted on it
taken        a flow has begun to act on it; one that died leaves it here, and the next flow takes it over.
             From the moment the policy has said yes it is also `began`: then its run is finished, and not judged anew
ran          a run was made, whatever that run decided
coalesced    another trigger's run answers it as well
refused      the policy said no
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tasks.core.home import Home
from tasks.stores.ledger import Entry, Ledger

State = Literal["pending", "taken", "ran", "coalesced", "refused"]
OPEN = ("pending", "taken")
_WRITTEN = ("state", "outcome", "into", "source", "policy", "decision")


@dataclass(frozen=True)
class Trigger:
    """One reason to retrain, as far as it has come."""

    id: str
    model: str
    state: State
    time: str
    """UTC, ISO 8601: when it became known."""
    reason: str
    """One sentence: why somebody or something asked."""
    cause: Literal["drift", "performance", "schedule", "person"]
    evidence: str | None = None
    """Hash of the ledger line behind it, for example the verdict on drift."""
    outcome: str = ""
    """One sentence: what became of it."""
    into: str | None = None
    """The trigger whose run answers it."""
    source: str | None = None
    """Fingerprint of the source when it was taken, or of the source its run began with."""
    began: str | None = None
    """UTC, ISO 8601: when the policy had said yes and its run began; anew where it was begun on a newer source."""
    policy: str = ""
    """One sentence: why the policy said yes."""
    ended: str | None = None
    """UTC, ISO 8601: when what became of it was written down."""
    decision: str | None = None
    """Hash of the ledger line with which its run decided, if that run came so far."""

    @property
    def open(self) -> bool:
        """Whether it still waits for an end."""
        return self.state in OPEN


def propose(
    home: Home, model: str, reason: str, cause: str, *, evidence: str | None = None, trigger_id: str | None = None
) -> Trigger:
    """Write down a reason to retrain; one whose id or whose evidence is known already is given back as it is.

    Raises:
        ServiceError: the ledger does not answer.
    """
    wanted = trigger_id or uuid.uuid4().hex
    body = {"id": wanted, "state": "pending", "reason": reason, "cause": cause, "evidence": evidence}

    def known(entries: Sequence[Entry]) -> Entry | None:
        for entry in entries:
            if entry.kind == "trigger" and entry.body["state"] == "pending":
                same = entry.body["id"] == wanted or (evidence is not None and entry.body["evidence"] == evidence)
                if same:
                    return entry
        return None

    entry = Ledger(home.ledger).append("trigger", model, body, unless=known)
    return find(home, model, entry.body["id"])


def take(home: Home, model: str, trigger_id: str, source: str) -> Trigger:
    """Note that a flow has begun to act on a trigger, with the fingerprint of the source it sees.

    One whose run began keeps the source of that run.

    Raises:
        KeyError: nobody has proposed it.
        ServiceError: the ledger does not answer.
    """
    body = {"id": trigger_id, "state": "taken", "source": source}

    def known(entries: Sequence[Entry]) -> Entry | None:
        trigger = _fold(entries)[trigger_id]
        fresh = trigger.open and trigger.began is None and trigger.source != source
        return None if fresh else entries[-1]

    Ledger(home.ledger).append("trigger", model, body, unless=known)
    return find(home, model, trigger_id)


def begin(home: Home, model: str, trigger_id: str, source: str, policy: str) -> Trigger:
    """Note that the policy said yes and that the trigger's run begins, with the fingerprint of its source.

    Whoever finds such a trigger open finishes its run: judged anew, it could be refused because of a decision
    that this very run had come to before it was killed.

    Raises:
        KeyError: nobody has proposed it.
        ServiceError: the ledger does not answer.
    """
    body = {"id": trigger_id, "state": "taken", "source": source, "policy": policy}

    def known(entries: Sequence[Entry]) -> Entry | None:
        trigger = _fold(entries)[trigger_id]
        same = trigger.began is not None and trigger.source == source
        return None if trigger.open and not same else entries[-1]

    Ledger(home.ledger).append("trigger", model, body, unless=known)
    return find(home, model, trigger_id)


def end(
    home: Home,
    model: str,
    trigger_id: str,
    state: State,
    outcome: str,
    *,
    into: str | None = None,
    decision: str | None = None,
) -> Trigger:
    """Write down what became of a trigger; one that has ended already stays as it is.

    Raises:
        KeyError: nobody has proposed it.
        ServiceError: the ledger does not answer.
    """
    body = {"id": trigger_id, "state": state, "outcome": outcome, "into": into, "decision": decision}

    def known(entries: Sequence[Entry]) -> Entry | None:
        return None if _fold(entries)[trigger_id].open else entries[-1]

    kind = "refused" if state == "refused" else "trigger"
    Ledger(home.ledger).append(kind, model, body, unless=known)
    return find(home, model, trigger_id)


def every(home: Home, model: str | None = None) -> list[Trigger]:
    """All triggers, or those of one model, in the order they became known."""
    return list(_fold(Ledger(home.ledger).entries(model)).values())


def find(home: Home, model: str, trigger_id: str) -> Trigger:
    """One trigger.

    Raises:
        KeyError: nobody has proposed it.
    """
    return _fold(Ledger(home.ledger).entries(model))[trigger_id]


def _fold(entries: Iterable[Entry]) -> dict[str, Trigger]:
    found: dict[str, Trigger] = {}
    for entry in entries:
        if entry.kind not in ("trigger", "refused") or "id" not in entry.body:
            continue
        body: dict[str, Any] = entry.body
        if body["state"] == "pending":
            about = (entry.time, body["reason"], body["cause"], body["evidence"])
            found.setdefault(body["id"], Trigger(body["id"], entry.model, "pending", *about))
        elif body["id"] in found:
            trigger = found[body["id"]]
            changes = {key: body[key] for key in _WRITTEN if key in body}
            if "policy" in body:
                changes["began"] = entry.time
            if body["state"] not in OPEN:
                changes["ended"] = entry.time
            found[body["id"]] = replace(trigger, **changes)
    return found
