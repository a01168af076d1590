"""Who was champion when, and why: a model's part of the ledger, as a person asks about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.core.home import Home
from tasks.stores.ledger import Entry, Ledger

SHOWN = ("promote", "hold", "reject", "stop", "rollback", "observed", "drift", "trigger", "refused")
"""Kinds a person asks about; `intent`, `done`, `data` and `unblock` are the ledger's own book-keeping."""


def history(home: Home, name: str) -> list[dict[str, Any]]:
    """Every decision about a model, every move of its champion, and all that asked for another one, oldest first.

    Returns:
        id, time, kind, version, from, to, reason, actor. `from` and `to` are None where the champion stayed:
        also for a promotion that waits for approval, or that was made again by a person.

    Raises:
        ServiceError: the ledger cannot be read.
    """
    ledger = Ledger(home.ledger)
    lines = ledger.entries(name)
    moves = {move.entry.hash if move.decision is None else move.decision.hash: move for move in ledger.moves(name)}
    entries = []
    for entry in lines:
        if entry.kind in SHOWN:
            move = moves.get(entry.hash)
            entries.append(
                {
                    "id": entry.hash,
                    "time": entry.time,
                    "kind": entry.kind,
                    "version": entry.body.get("version", entry.body.get("champion") if entry.kind == "drift" else None),
                    "from": move.origin if move else None,
                    "to": move.target if move else None,
                    "reason": _reason(entry) + _approval(entry, lines),
                    "actor": entry.actor,
                }
            )
    return entries


def _reason(entry: Entry) -> str:
    """Why, in one sentence; of a trigger, which one and what became of it."""
    body = entry.body
    if entry.kind not in ("trigger", "refused"):
        return str(body.get("reason", ""))
    named = f"trigger {str(body.get('id', ''))[:8]}"
    if body.get("state") == "pending":
        return f"{named} asks for a retraining: {body['reason']}"
    if body.get("state") == "taken":
        return f"{named} is run: {body['policy']}" if body.get("policy") else f"{named} is acted on"
    into = f" into trigger {body['into'][:8]}" if body.get("into") else ""
    return f"{named} {body.get('state', entry.kind)}{into}: {body.get('outcome') or body.get('reason', '')}"


def _approval(entry: Entry, lines: Sequence[Entry]) -> str:
    """What came of a decision that moved nothing because a person has to approve it; empty for all others."""
    if entry.kind != "promote" or not entry.body.get("waiting"):
        return ""
    later = [line for line in lines if line.sequence > entry.sequence]
    if any(line.kind == "promote" and line.body.get("basis") == entry.hash for line in later):
        return " A person approved it."
    moved = any(line.kind == "observed" or line.body.get("outcome") == "moved" for line in later)
    if moved or any(line.kind in ("promote", "hold", "reject") for line in later):
        return " It waited for approval, and was overtaken."
    return f" It waits for approval: `evergreen promote {entry.model}/{entry.body.get('version')} --reason …`."
