"""What monitoring leaves in the ledger: one line per window and champion, and the trigger that follows from it.

The line comes first. A trigger is known by the line behind it, so whoever finds a line without its trigger may
write it: `settle` does, at the start of every monitoring, for the one that was killed in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.stores import registry, triggers
from tasks.stores.ledger import Entry, Ledger
from tasks.stores.triggers import Trigger


def champion_of(home: Home, name: str, recipe: str) -> str:
    """The version that is champion.

    Raises:
        RequestError: there is none.
        ServiceError: the registry does not answer.
    """
    version = registry.champion_version(home, name)
    if version is None:
        raise RequestError(
            f"{name} has no champion in {home.root}, so there is nothing to compare new rows with.",
            remedy=f"Make one with `evergreen run {recipe}`, or name its home with --home.",
            code="champion",
        )
    return version


def drift_lines(home: Home, name: str) -> list[Entry]:
    """Every verdict on a window of a model, oldest first.

    Raises:
        ServiceError: the ledger cannot be read.
    """
    return [entry for entry in Ledger(home.ledger).entries(name) if entry.kind == "drift"]


def line_of(lines: Sequence[Entry], identity: dict[str, str]) -> Entry | None:
    """The line that judged this very window against this champion with these settings; None before that."""
    return next((line for line in reversed(lines) if identity_of(line.body) == identity), None)


def identity_of(body: dict[str, Any]) -> dict[str, str]:
    """What a verdict is known by: `fingerprint` of the window, `champion`, and the hash of the `settings`."""
    return {
        "fingerprint": body["window"]["fingerprint"],
        "champion": body["champion"],
        "settings": body["settings"],
    }


def journal_seen(lines: Sequence[Entry]) -> str:
    """Time of the newest prediction that a window of the journal held; empty before the first."""
    windows = [line.body["window"] for line in lines]
    return max((window["to"] for window in windows if window["origin"] == "journal"), default="")


def detections(lines: Sequence[Entry], fingerprint: str, champion: str, origin: str) -> list[bool]:
    """Which earlier windows drifted, oldest first: those that were compared with this champion, in this way.

    Predictions of the journal are another look at rows that a file may have held as well, so the two kinds of
    windows do not confirm each other. A window that was judged again counts once, as it was judged last.
    """
    found: dict[str, bool] = {}
    for line in lines:
        body = line.body
        same = body["champion"] == champion and (body["window"]["origin"] == "journal") == (origin == "journal")
        if same and body["judged"] and body["window"]["fingerprint"] != fingerprint:
            found.pop(body["window"]["fingerprint"], None)
            found[body["window"]["fingerprint"]] = body["detected"]
    return list(found.values())


def record(home: Home, name: str, body: dict[str, Any]) -> Entry:
    """Enter a verdict; one on the same window, champion and settings is given back as it stands.

    Raises:
        ServiceError: the ledger does not answer.
    """
    identity = identity_of(body)

    def known(entries: Sequence[Entry]) -> Entry | None:
        return line_of([entry for entry in entries if entry.kind == "drift"], identity)

    return Ledger(home.ledger).append("drift", name, finite(body), unless=known)


def cause_of(body: dict[str, Any]) -> str | None:
    """Why a verdict asks for a retraining: drift is confirmed, or the champion is shown to do worse; else None."""
    if body["confirmed"]:
        return "drift"
    performance = body["performance"]
    return "performance" if performance and performance["worse"] else None


def trigger_of(home: Home, line: Entry) -> Trigger | None:
    """The trigger that a line asks for, written if it is not there yet; None where it asks for none.

    Raises:
        ServiceError: the ledger does not answer.
    """
    cause = cause_of(line.body)
    if cause is None:
        return None
    return triggers.propose(home, line.model, line.body["reason"], cause, evidence=line.hash)


def line_behind(home: Home, trigger: Trigger) -> Entry | None:
    """The verdict that a trigger followed from; None where something else asked."""
    entry = Ledger(home.ledger).find(trigger.evidence) if trigger.evidence else None
    return entry if entry is not None and entry.kind == "drift" else None


def settle(home: Home, name: str) -> list[Trigger]:
    """Write the triggers of earlier lines that still lack one, as one monitoring was killed in between.

    Returns:
        Those that were written now.

    Raises:
        ServiceError: the ledger does not answer.
    """
    known = {trigger.evidence for trigger in triggers.every(home, name)}
    owed = [line for line in drift_lines(home, name) if cause_of(line.body) and line.hash not in known]
    return [trigger for line in owed if (trigger := trigger_of(home, line)) is not None]


def finite(value: Any) -> Any:
    """The value with NaN and infinities, which JSON lacks, as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
