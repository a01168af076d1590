"""The stage results behind a decision, followed from hash to hash.

The decision's ledger line holds the key of its result; that key is a hash over the identities of the
results it was made from, and so on down to the source. So one sealed line seals every result above it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.core import contracts, results
from tasks.core.home import Home
from tasks.core.plan import key_of

CONTRACTS = {
    "train": contracts.Trained,
    "package": contracts.Packaged,
}
"""Stages whose identity is some fields of their contract, and not all that they gave."""


@dataclass(frozen=True)
class Found:
    """One stage's result and what is wrong with it."""

    record: results.Record | None
    problems: tuple[str, ...] = ()
    sound: bool = True
    """Whether the result itself is what it was; its files may still be damaged."""


def chain_from(home: Home, recipe: str, decision: results.Record | None, verify: bool) -> dict[str, Found]:
    """Every result behind a decision's result, by stage, the decision's own included.

    With `verify`, keys, identities and the hashes of all files are recomputed. A stage that cannot be
    reached, because the result that names it is gone, is absent.
    """
    if decision is None:
        return {}
    problems = _key_problems(decision) if verify else ()
    chain = {"decide": Found(decision, problems, not problems)}
    waiting = [decision]
    while waiting:
        for stage, identity in waiting.pop(0).components["inputs"].items():
            if stage in chain or not identity or identity == "skipped":
                continue
            chain[stage] = _find(home, recipe, stage, identity, verify)
            record = chain[stage].record
            if record is not None:
                waiting.append(record)
    return chain


def decision_record(home: Home, recipe: str, *, key: str | None, decision_id: str | None) -> results.Record | None:
    """The result of the stage `decide` under this key, else the one that names this ledger line."""
    if key:
        found = results.find(home, recipe, "decide", key)
        if found is not None:
            return found
    if not decision_id:
        return None
    every = results.every(home, recipe, "decide")
    return next((record for record in every if record.output.get("decision_id") == decision_id), None)


def _find(home: Home, recipe: str, stage: str, identity: str, verify: bool) -> Found:
    """The result with this identity; with `verify` its identity is computed anew, so a changed one is not found."""
    every = results.every(home, recipe, stage)
    stated = next((record for record in every if record.identity == identity), None)
    computed = next((record for record in every if _identity(record) == identity), None)
    record = computed or stated
    if record is None:
        return Found(None, (f"no result of {stage} has the hash {identity[:12]} that was built on",), sound=False)
    if not verify:
        return Found(record)
    problems = list(_key_problems(record))
    if computed is None:
        problems.append(f"the result of {stage} was changed: it no longer gives the hash {identity[:12]}")
    elif record.identity != identity:
        problems.append(f"the result of {stage} states another hash than its own")
    sound = not problems
    damage = results.damage(home, record)
    if damage is not None:
        problems.append(f"{damage.path} is {'gone' if damage.cause == 'artifact_missing' else 'not what was written'}")
    return Found(record, tuple(problems), sound)


def _identity(record: results.Record) -> str | None:
    fields = getattr(CONTRACTS.get(record.stage), "IDENTITY", ())
    try:
        return results.identity_of(record.output, record.artifacts, fields)
    except KeyError:  # a field is gone: changed by hand
        return None


def _key_problems(record: results.Record) -> tuple[str, ...]:
    if key_of(record.stage, record.components) == record.key:
        return ()
    return (f"what the result of {record.stage} says it was made from does not give its key",)
