"""What a person does to a champion: promote a version, or go back to an earlier one, under the model's lease.

Neither moves the alias onto something that cannot be served: the gate `servable` is passed first, and its
evidence enters the ledger with the decision.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from tasks.core.contracts import to_json
from tasks.core.errors import GateStopped, RequestError
from tasks.core.home import Home
from tasks.release import promotion
from tasks.release.promotion import Moved
from tasks.stores import registry
from tasks.stores.lease import Holder, hold
from tasks.stores.ledger import Ledger


def promote(
    home: Home, name: str, version: str, *, reason: str, unblock: bool, wait: bool, tell: Callable[[str], None]
) -> Moved:
    """Make a version champion because a person says so.

    Raises:
        GateStopped: it does not repeat its golden predictions in an environment of its own.
        GateError: it is blocked and `unblock` is false, or the ledger does not hold.
        RequestError: there is no such version, it is champion already, or the lease is taken and `wait` is false.
        ServiceError: ledger or registry do not answer.
    """
    check_known(home, name)
    with _lease(home, name, f"promote {name}/{version}", wait, tell):
        _recover(home, name, tell)
        return promotion.promote_by_person(
            home,
            name,
            version,
            reason=reason,
            unblock=unblock,
            evidence=lambda number: servable(home, name, number, tell),
        )


def roll_back(home: Home, name: str, *, to: str | None, reason: str, wait: bool, tell: Callable[[str], None]) -> Moved:
    """Go back to an earlier champion and block the version that is left.

    Raises:
        GateStopped: the earlier version does not repeat its golden predictions.
        GateError: there is nothing to go back to, the target never was champion, or it is blocked.
        RequestError: `to` is neither a version nor a time, or the lease is taken and `wait` is false.
        ServiceError: ledger or registry do not answer.
    """
    check_known(home, name)
    with _lease(home, name, f"rollback {name}", wait, tell):
        _recover(home, name, tell)
        return promotion.rollback(
            home, name, to=to, reason=reason, evidence=lambda number: servable(home, name, number, tell)
        )


def check_known(home: Home, name: str) -> None:
    """Make sure that the registry has this model.

    Raises:
        RequestError: it does not; the nearest name is offered.
        ServiceError: ledger or registry do not answer.
    """
    if registry.versions(home, name):
        return
    known = sorted({entry.model for entry in Ledger(home.ledger).entries()})
    close = difflib.get_close_matches(name, known, n=1)
    remedy = f"Did you mean '{close[0]}'?" if close else f"Known models: {', '.join(known) or 'none yet'}."
    raise RequestError(f"There is no model '{name}' in {home.root}.", remedy=remedy, code="model")


def servable(home: Home, name: str, version: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Evidence that a version loads in a bare environment and repeats its golden predictions.

    Raises:
        GateStopped: it does not, or that could not be tried.
        GateError: its files are not those that were registered.
    """
    from tasks.release.servable import check, gate
    from tasks.stores.packaged import verified

    tell(f"trying {name}/{version} in an environment of its own …")
    golden = verified(home, name, version).read("golden.json")
    found = gate(check(home.tracking_uri, f"models:/{name}/{version}", golden), len(golden["outputs"]))
    if found.blocks:
        raise GateStopped((found,), remedy="Choose another version, or run the recipe again.")
    return {"gates": [to_json(found)]}


def _lease(home: Home, name: str, purpose: str, wait: bool, tell: Callable[[str], None]) -> Any:
    def waiting(holder: Holder) -> None:
        tell(f"waiting for {holder} …")

    return hold(home, name, purpose, wait=wait, on_wait=waiting)


def _recover(home: Home, name: str, tell: Callable[[str], None]) -> None:
    for line in promotion.recover(home, name):
        tell(line)
