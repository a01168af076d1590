"""How a model's versions stand: which are blocked, which can be gone back to, and whether ledger and tags agree.

The ledger is the authority. Tags in MLflow repeat it for people who look there, and hold the decisions'
hashes, so that a ledger whose end was cut off is found out.
"""

from __future__ import annotations

from tasks.core.errors import GateError, RequestError
from tasks.core.home import Home
from tasks.stores import runs
from tasks.stores.ledger import Ledger, parse_time
from tasks.stores.registry import (
    BLOCKED,
    BLOCKED_REASON,
    CHOSEN,
    DECISION,
    RECIPE,
    champion_version,
    model_tags,
    version,
    versions,
)

TAGGED = ("promote", "hold", "reject", "rollback")
"""Decisions whose hash is also kept as a tag on the registered model."""


def rollback_target(home: Home, name: str, to: str | None = None) -> str:
    """The version a rollback goes to: the champion before this one, version `to`, or the champion at time `to`.

    Raises:
        RequestError: `to` is neither a known version nor a time.
        GateError: refused, because there is nothing to go back to, or it never was champion, or is blocked.
    """
    champion = champion_version(home, name)
    if champion is None:
        raise refused("rollback", f"{name} has no champion to roll back from.", "Promote a version first.")
    ledger = Ledger(home.ledger)
    been = [move.target for move in ledger.moves(name) if move.target is not None]
    ruled_out = blocked(home, name)
    if to is None:
        present = {item.version for item in versions(home, name)}
        usable = [item for item in been if item != champion and item not in ruled_out and item in present]
        if not usable:
            raise refused(
                "rollback",
                f"{name} has no earlier champion that could be used again.",
                "Run the recipe, or promote a version.",
            )
        return usable[-1]
    target = to if to.isdigit() else _champion_at(ledger, name, to)
    check_version(home, name, target)
    if target == champion:
        raise refused("rollback", f"{name}/{target} is the champion already.", "Name another version with --to.")
    if target not in been:
        raise refused(
            "rollback",
            f"{name}/{target} has never been champion.",
            f"Use `evergreen promote {name}/{target}`, which checks it.",
        )
    if target in ruled_out:
        raise refused(
            "rollback",
            f"{name}/{target} is blocked: {ruled_out[target]}.",
            f"Lift it with `evergreen promote {name}/{target} --unblock --reason …`.",
        )
    return target


def blocked(home: Home, name: str) -> dict[str, str]:
    """Versions that must not be promoted → why, as the ledger and the tags in MLflow say.

    The ledger's last word about a version counts; a tag counts for versions it says nothing about.
    """
    words = _words_on_blocking(Ledger(home.ledger), name)
    tagged = {
        item.version: item.tags.get(BLOCKED_REASON, "tagged in MLflow") for item in versions(home, name) if item.blocked
    }
    return {number: why for number, why in {**tagged, **words}.items() if why is not None}


def check_ledger(home: Home, name: str) -> None:
    """Make sure that the ledger's chain holds and that no decision about this model has been cut off.

    Raises:
        GateError: it does not; the first broken entry is named.
    """
    ledger = Ledger(home.ledger)
    problems = ledger.verify()
    lost = ledger.missing(decision_tags(home, name).values()) if not problems else []
    if lost:
        problems = [f"{len(lost)} decisions are no longer in it, the first is {lost[0][:12]}"]
    if problems:
        raise GateError(
            f"The ledger {home.ledger} does not hold: {problems[0]}.",
            remedy="Restore ledger.db from a backup.",
            code="ledger",
        )


def check_version(home: Home, name: str, number: str) -> None:
    """Make sure that a version exists.

    Raises:
        RequestError: it does not.
    """
    if version(home, name, number) is None:
        raise RequestError(
            f"{name} has no version {number}.", remedy=f"`evergreen history {name}` lists what exists.", code="version"
        )


def decision_tags(home: Home, name: str) -> dict[str, str]:
    """Tags on the registered model that hold decision ids, by tag name."""
    return {key: value for key, value in model_tags(home, name).items() if key.startswith(f"{DECISION}.")}


def mirror(home: Home, name: str) -> None:
    """Set the tags in MLflow that the ledger calls for and that are not there yet.

    Raises:
        ServiceError: ledger or registry do not answer.
    """
    ledger = Ledger(home.ledger)
    present = {item.version: item for item in versions(home, name)}
    if not present:
        return
    entries = ledger.entries(name)
    wanted = {f"{DECISION}.{entry.hash[:12]}": entry.hash for entry in entries if entry.kind in TAGGED}
    tags = model_tags(home, name)
    missing = {key: value for key, value in wanted.items() if tags.get(key) != value}
    if missing:
        runs.tag_model(home, name, missing)
    for number, pairs in _version_tags(ledger, name).items():
        if number in present:
            changed = {key: value for key, value in pairs.items() if present[number].tags.get(key) != value}
            if changed:
                runs.tag_version(home, name, number, changed)


def refused(act: str, why: str, remedy: str) -> GateError:
    """The error for a promotion or rollback that is not allowed."""
    return GateError(f"Refused {act}: {why}", remedy=remedy, code=act)


def _version_tags(ledger: Ledger, name: str) -> dict[str, dict[str, str | None]]:
    tags: dict[str, dict[str, str | None]] = {}
    for move in ledger.moves(name):
        if move.target is not None and move.decision is not None and move.decision.kind == "promote":
            own = tags.setdefault(move.target, {})
            own[DECISION] = move.decision.hash
            if "recipe_hash" in move.decision.body:
                # A package is used again when only gates were edited: it was promoted by another recipe than made it.
                own[RECIPE] = move.decision.body["recipe_hash"]
                own[CHOSEN] = move.decision.body.get("chosen_hash")
    for number, why in _words_on_blocking(ledger, name).items():
        tags.setdefault(number, {}).update({BLOCKED: None if why is None else "true", BLOCKED_REASON: why})
    return tags


def _words_on_blocking(ledger: Ledger, name: str) -> dict[str, str | None]:
    """The last word on each version: why it is blocked, or None where it was unblocked."""
    words: dict[str, str | None] = {}
    decisions = {move.entry.hash: move for move in ledger.moves(name)}
    for entry in ledger.entries(name):
        move = decisions.get(entry.hash)
        if move and move.origin and move.decision and move.decision.kind == "rollback":
            words[move.origin] = f"rolled back: {move.decision.body['reason']}"
        elif entry.kind == "unblock":
            words[entry.body["version"]] = None
    return words


def _champion_at(ledger: Ledger, name: str, time: str) -> str:
    try:
        parse_time(time)
    except ValueError as error:
        raise RequestError(
            f"'{time}' is neither a version of {name} nor a time.",
            remedy="Give a version number, or a time such as 2026-05-01T12:00.",
            code="version",
        ) from error
    found = ledger.champion_at(name, time)
    if found is None:
        raise refused("rollback", f"{name} had no champion at {time}.", f"`evergreen history {name}` lists them.")
    return found
