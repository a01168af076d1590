"""Why this model: the chain of evidence from an alias, or one prediction, back to the source's bytes.

Each link states a hash. With `verify` it is recomputed from bytes and compared with what the ledger sealed and
what the registry says; a link is not ok where they differ, so that one changed byte names one link. The ledger
is believed only while its own chain holds; otherwise the registry's tags are what the rest is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.core.errors import EvergreenError, RequestError
from tasks.core.home import Home
from tasks.core.names import parse_model
from tasks.stores import registry
from tasks.stores.journal import Journal
from tasks.trace import links
from tasks.trace.case import Case, Link, make_case


def explain(home: Home, model: str, *, verify: bool = False) -> dict[str, Any]:
    """The chain of evidence behind `name`, `name@alias` or `name/version`.

    Returns:
        `model` (name, version, aliases), `links` (kind, id, hash, ok, detail; ok is None where nothing was
        or could be recomputed) and `verified` (None without `verify`).

    Raises:
        RequestError: there is no such model, alias or version.
        ServiceError: the registry does not answer.
    """
    asked = parse_model(model)
    number = asked.version or registry.champion_version(home, asked.name, asked.alias)
    info = registry.version(home, asked.name, number) if number else None
    if info is None:
        what = f"version {asked.version}" if asked.version else f"version with the alias '{asked.alias}'"
        raise RequestError(
            f"{asked.name} has no {what}.", remedy=f"`evergreen history {asked.name}` lists what exists.", code="model"
        )
    case = make_case(home, asked.name, info, None if asked.version else asked.alias, verify)
    chain = links.CHAIN if asked.version else (links.alias, *links.CHAIN)
    return _answer(case, [_judge(case, make) for make in chain])


def explain_prediction(home: Home, identifier: str, *, verify: bool = False) -> dict[str, Any]:
    """The chain of evidence behind one prediction of the journal.

    Raises:
        RequestError: the journal does not hold it, or its model version is gone.
        ServiceError: journal or registry do not answer.
    """
    found = Journal(home.journal).find(identifier)
    if found is None:
        raise RequestError(
            f"The journal {home.journal} holds no prediction '{identifier}'.",
            remedy="Use the prediction_id column of a scored file.",
            code="prediction",
        )
    info = registry.version(home, found.model, found.version)
    if info is None:
        raise RequestError(
            f"{found.model}/{found.version}, which made this prediction, is no longer registered.",
            remedy="Restore the registry from a backup.",
            code="version",
        )
    case = make_case(home, found.model, info, None, verify)
    detail = f"handed out at {found.time} by {found.model}/{found.version}"
    first = Link("prediction", identifier, found.row_sha, detail, checked=False)
    return _answer(case, [first, *(_judge(case, make) for make in links.CHAIN)])


def _answer(case: Case, links: list[Link]) -> dict[str, Any]:
    def ok(link: Link) -> bool | None:
        if not case.verify or not (link.checked or link.problems):
            return None
        return not link.problems

    shown = [
        {
            "kind": link.kind,
            "id": link.id,
            "hash": link.hash,
            "ok": ok(link),
            "detail": "; ".join(link.problems) or link.detail,
        }
        for link in links
    ]
    verified = all(item["ok"] is not False for item in shown) if case.verify else None
    held = sorted(
        alias for alias, number in registry.aliases(case.home, case.name).items() if number == case.info.version
    )
    model = {"name": case.name, "version": case.info.version, "aliases": held}
    return {"model": model, "links": shown, "verified": verified}


def _judge(case: Case, make: Callable[[Case], Link]) -> Link:
    """A link; what cannot be read at all is a broken link, not the end of the explanation."""
    try:
        return make(case)
    except EvergreenError as error:
        return Link(make.__name__, "", None, error.message, (error.message,))
