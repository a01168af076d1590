"""What is recorded when a reason to retrain is judged: the champion, the last attempt, drift, and labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.core import clock
from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.truth import has_truth
from tasks.retrain.policy import Facts
from tasks.stores import datasets, registry, triggers
from tasks.stores.ledger import Entry, Ledger, parse_time
from tasks.stores.triggers import Trigger

DECIDED = ("promote", "hold", "reject")
"""What a run can come to where it decides at all; each counts as an attempt."""


@dataclass(frozen=True)
class Rows:
    """Labelled rows; None: they cannot be counted, as the source cannot be read or has no target."""

    labelled: int | None
    new: int | None
    """Those that the dataset of the last attempt did not have."""


def known(loaded: LoadedRecipe, home: Home, trigger: Trigger, source: str) -> Facts:
    """The facts a policy is asked about, `source` being the fingerprint of the source as it is now.

    Raises:
        GateError: a file of the dataset is damaged everywhere.
        ServiceError: ledger or registry do not answer.
    """
    name = loaded.recipe.name
    ledger = Ledger(home.ledger)
    entries, moves = ledger.entries(name), ledger.moves(name)
    champion = registry.champion_version(home, name)
    last = last_attempt(entries)
    rows = _rows(loaded, home, last, source)
    return Facts(
        now=clock.now(),
        champion=champion,
        promoted_at=parse_time(moves[-1].since) if moves and moves[-1].target == champion else None,
        last_attempt_at=parse_time(last.time) if last else None,
        last_attempt_began_at=_began(home, name, last),
        drift_confirmed_at=_newest(entries, lambda body: body.get("confirmed")),
        performance_worse_at=_newest(entries, lambda body: (body.get("performance") or {}).get("worse")),
        labelled_rows=rows.labelled,
        new_labelled_rows=rows.new,
        source_changed=last is None or _source_of(home, name, last) != source,
        recipe_changed=last is None or last.body.get("recipe_hash") != loaded.hash,
        cause=trigger.cause,
        reason=trigger.reason,
    )


def last_attempt(entries: list[Entry], since: str = "") -> Entry | None:
    """The newest decision of a run, no older than `since`; what a person promotes is no attempt."""
    for entry in reversed(entries):
        if entry.time < since:
            return None
        if entry.kind in DECIDED and not entry.body.get("by_person"):
            return entry
    return None


def carried_out(home: Home, entry: Entry) -> bool:
    """Whether nothing is left to do about a decision: it moves nothing, or waits for a person, or the alias moved."""
    if entry.kind != "promote" or entry.body.get("waiting"):
        return True
    moves = Ledger(home.ledger).moves(entry.model)
    return any(move.decision is not None and move.decision.hash == entry.hash for move in moves)


def _began(home: Home, name: str, last: Entry | None) -> datetime | None:
    """When the run that came to this decision last read its source, as far as a trigger tells."""
    began = [item.began for item in triggers.every(home, name) if last and item.decision == last.hash and item.began]
    return parse_time(max(began)) if began else None


def _newest(entries: list[Entry], holds: Any) -> datetime | None:
    """When a verdict on a window last said so."""
    times = [entry.time for entry in entries if entry.kind == "drift" and holds(entry.body)]
    return parse_time(times[-1]) if times else None


def _source_of(home: Home, name: str, entry: Entry) -> str | None:
    """Fingerprint of the source behind the dataset version that a decision was made with."""
    version, head = entry.body.get("dataset"), datasets.head(home, name)
    if head is not None and head.version == version:
        return head.source
    info = _version(home, name, version)
    return info.source if info else None


def _version(home: Home, name: str, version: str | None) -> datasets.VersionInfo | None:
    try:
        return datasets.version_info(home, name, version) if version else None
    except RequestError:  # the dataset was begun anew since
        return None


def _rows(loaded: LoadedRecipe, home: Home, last: Entry | None, source: str) -> Rows:
    name = loaded.recipe.name
    head = datasets.head(home, name)
    before = _version(home, name, last.body.get("dataset") if last else None)
    had = before.labelled if before else 0
    stored = datasets.version_info(home, name, head.version).labelled if head else 0
    fresh = 0 if head is not None and head.source == source else _fresh(loaded, home, head)
    return Rows(None, None) if fresh is None else Rows(stored + fresh, max(stored + fresh - had, 0))


def _fresh(loaded: LoadedRecipe, home: Home, head: datasets.Head | None) -> int | None:
    """Labelled rows of the source that the dataset has not, or not with their label, before any is quarantined."""
    from tasks.ingest.fresh import identified, read_source

    target = loaded.recipe.data.target
    try:
        frame = read_source(loaded)
    except RequestError:
        return None
    if target is not None and target not in frame.columns:
        return None
    labelled = frame[has_truth(frame, target).to_numpy(dtype=bool)].reset_index(drop=True)
    if head is None:
        return len(labelled)
    found = identified(home, loaded.recipe.name, head.version, labelled)
    return int((~found["known_labelled"].to_numpy(dtype=bool)).sum())
