"""What is known of one version before its links are judged: ledger lines, sealed hashes, stage results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.core import results
from tasks.core.errors import EvergreenError
from tasks.core.home import Home
from tasks.stores import registry
from tasks.stores.ledger import Entry, Ledger
from tasks.stores.registry import VersionInfo
from tasks.trace.records import Found, chain_from, decision_record


@dataclass(frozen=True)
class Link:
    """One step of the chain."""

    kind: str
    id: str
    hash: str | None
    detail: str
    problems: tuple[str, ...] = ()
    checked: bool = True
    """False where there is nothing to recompute."""


@dataclass
class Case:
    """All that is known about one version before any byte is recomputed."""

    home: Home
    name: str
    info: VersionInfo
    alias: str | None
    verify: bool
    ledger_problems: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    decision: Entry | None = None
    """The line that made it champion, else the newest about it."""
    sealed: Mapping[str, Any] = field(default_factory=dict)
    """Hashes that the run's own decision about this version holds; empty where the ledger does not hold."""
    chain: Mapping[str, Found] = field(default_factory=dict)

    def claim(self, body_key: str, tag: str) -> str | None:
        """The hash to compare with: sealed in the ledger, else the registry's tag."""
        return self.sealed.get(body_key) or self.info.tags.get(tag)

    def disagreement(self, body_key: str, tag: str) -> tuple[str, ...]:
        """A problem where the registry's tag is not what the ledger sealed."""
        sealed, tagged = self.sealed.get(body_key), self.info.tags.get(tag)
        if sealed and tagged != sealed:
            return (f"the tag {tag} says {str(tagged)[:12]}, the ledger sealed {str(sealed)[:12]}",)
        return ()


def make_case(home: Home, name: str, info: VersionInfo, alias: str | None, verify: bool) -> Case:
    """Gather what ledger, registry and stage results say about a version.

    Raises:
        ServiceError: the registry does not answer.
    """
    case = Case(home, name, info, alias, verify)
    ledger = Ledger(home.ledger)
    if verify:
        tagged = [
            value for key, value in registry.model_tags(home, name).items() if key.startswith(f"{registry.DECISION}.")
        ]
        case.ledger_problems = ledger.verify()
        lost = ledger.missing(tagged) if not case.ledger_problems else []
        case.ledger_problems += [f"the decision {identifier[:12]} is no longer in the ledger" for identifier in lost]
    try:
        case.entries = ledger.entries(name)
        moves = ledger.moves(name)
    except EvergreenError as error:
        case.ledger_problems = case.ledger_problems or [error.message]
        moves = []
    made = [move.decision for move in moves if move.target == info.version and move.decision is not None]
    own = [entry for entry in case.entries if _is_about(entry, info.version)]
    case.decision = made[-1] if made else own[-1] if own else None
    run_decision = own[-1] if own else None
    if run_decision is not None and not case.ledger_problems:
        case.sealed = run_decision.body
    key = case.sealed.get("key")
    identifier = run_decision.hash if run_decision and key else info.tags.get(registry.DECISION)
    case.chain = chain_from(home, name, decision_record(home, name, key=key, decision_id=identifier), verify)
    return case


def _is_about(entry: Entry, version: str) -> bool:
    """Whether a run, not a person, decided on this version here."""
    body = entry.body
    return entry.kind in ("promote", "hold", "reject") and body.get("version") == version and not body.get("by_person")


def stage_link(
    case: Case, kind: str, stage: str, what: Callable[[results.Record], tuple[str, str | None, str]]
) -> Link:
    """The link for one stage's result; `what` gives its id, hash and detail."""
    found = case.chain.get(stage)
    if found is None:
        return Link(kind, "", None, f"this home holds no result of {stage} for this version", checked=False)
    if found.record is None:
        return Link(kind, "", None, found.problems[0], found.problems)
    return Link(kind, *what(found.record), found.problems)
