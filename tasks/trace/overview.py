"""How every model of a home stands: champion, age, last drift and decision, what waits and what is overdue.

Read off the ledger, the registry's aliases and the recipes the home knows. Nothing is written, and nothing is
imported that takes long: this is what somebody looks at first when an alarm goes off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tasks.core import clock
from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.upkeep import Timetable
from tasks.stores import registry, triggers
from tasks.stores.ledger import Entry, Ledger, Move, parse_time
from tasks.stores.triggers import Trigger

DECISIONS = ("promote", "hold", "reject", "stop", "rollback")
RECENT_DAYS = 30
"""Alerts that could not be delivered are shown for so long."""
GRACE = timedelta(minutes=15)
"""How late scheduled work may begin before it is called overdue: a queue, or a machine that was just started."""


@dataclass(frozen=True)
class Standing:
    """One model of a home."""

    name: str
    recipe: str | None
    """Path of the recipe's file; None where the home knows none."""
    champion: str | None
    since: str | None
    """UTC: when it became champion; None where somebody moved the alias and no command has noticed yet."""
    age_days: float | None
    """Days since then."""
    last_decision: dict[str, Any] | None
    """kind, time, version, reason."""
    last_drift: dict[str, Any] | None
    """time, detected, confirmed."""
    pending_triggers: tuple[dict[str, Any], ...]
    """id, time, cause, state, reason: reasons to retrain that have not come to an end."""
    undelivered_alerts: tuple[dict[str, Any], ...]
    """time, event, hook, reason: of the last `RECENT_DAYS`, oldest first."""
    overdue: tuple[dict[str, Any], ...]
    """what, due: scheduled work of which there is no trace."""
    problem: str | None
    """Why the recipe cannot be read, so that nothing is known about its schedule."""


def overview(home: Home) -> list[Standing]:
    """Every model that the home knows a recipe or a ledger line of, by name.

    Raises:
        ServiceError: ledger or registry do not answer.
    """
    ledger = Ledger(home.ledger)
    lines: dict[str, list[Entry]] = {}
    for entry in ledger.entries():
        lines.setdefault(entry.model, []).append(entry)
    recipes = known_recipes(home)
    waiting = [trigger for trigger in triggers.every(home) if trigger.open]
    return [
        _standing(home, name, lines.get(name, []), [trigger for trigger in waiting if trigger.model == name], recipes)
        for name in sorted({*lines, *recipes})
    ]


def known_recipes(home: Home) -> dict[str, Path]:
    """Model → file of the recipe that owns the name, as commands have noted it in the home."""
    found = {}
    for marker in sorted(home.results("*").parent.glob("*/folder.json")):
        try:
            found[marker.parent.name] = Path(json.loads(marker.read_text())["recipe"])
        except (OSError, ValueError, KeyError, TypeError):  # a damaged note: the next run writes it anew
            continue
    return found


def overdue(timetable: Timetable, done: Sequence[Entry], known_since: datetime) -> list[dict[str, Any]]:
    """Retrainings that the timetable asked for and that left no line in the ledger.

    Args:
        timetable: The recipe's schedule.
        done: The model's lines.
        known_since: No tick before this time counts: there was no such schedule yet.

    Returns:
        what and due (UTC, ISO 8601), at most one. A look for drift that finds no new rows leaves no line, so
        the ledger cannot tell whether one is overdue.
    """
    if timetable.retrain is None:
        return []
    due = last_tick(timetable.retrain, timetable.timezone, clock.now() - GRACE)
    begun = [line for line in done if line.kind in DECISIONS or _is_scheduled(line)]
    if due < known_since or any(parse_time(line.time) >= due for line in begun):
        return []
    return [{"what": "retrain", "due": due.isoformat(timespec="seconds")}]


def last_tick(line: str, timezone: str, before: datetime) -> datetime:
    """The last time a cron line came up before a time, in UTC."""
    from cronsim import CronSim

    return next(CronSim(line, before.astimezone(ZoneInfo(timezone)), reverse=True)).astimezone(UTC)


def next_tick(line: str, timezone: str, after: datetime) -> datetime:
    """The first time a cron line comes up after a time, in UTC."""
    from cronsim import CronSim

    return next(CronSim(line, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)


def _standing(
    home: Home, name: str, lines: list[Entry], waiting: Iterable[Trigger], recipes: dict[str, Path]
) -> Standing:
    champion = registry.champion_version(home, name)
    since = _since(Ledger(home.ledger).moves(name), champion)
    loaded, problem = _load(recipes.get(name))
    return Standing(
        name=name,
        recipe=str(recipes[name]) if name in recipes else None,
        champion=champion,
        since=since,
        age_days=_days_since(since) if since else None,
        last_decision=_last(lines, DECISIONS, ("version", "reason")),
        last_drift=_last(lines, ("drift",), ("detected", "confirmed")),
        pending_triggers=tuple(_trigger(trigger) for trigger in waiting),
        undelivered_alerts=tuple(_alert(line) for line in lines if _is_recent_alert(line)),
        overdue=tuple(overdue(loaded.recipe.schedule, lines, _known_since(loaded, lines)) if loaded and lines else ()),
        problem=problem,
    )


def _since(moves: Sequence[Move], champion: str | None) -> str | None:
    return moves[-1].since if champion is not None and moves and moves[-1].target == champion else None


def _days_since(time: str) -> float:
    return round((clock.now() - parse_time(time)) / timedelta(days=1), 2)


def _load(file: Path | None) -> tuple[LoadedRecipe | None, str | None]:
    if file is None:
        return None, None
    if not file.is_file():
        return None, f"There is no recipe at {file} any more."
    try:
        return load_recipe(str(file)), None
    except RequestError as error:
        return None, error.message


def _known_since(loaded: LoadedRecipe, lines: Sequence[Entry]) -> datetime:
    """Since when the schedule can have been in force: the model's first line, and the last change of the recipe."""
    written = datetime.fromtimestamp(loaded.file.stat().st_mtime, UTC)
    return max(parse_time(lines[0].time), written)


def _last(lines: Sequence[Entry], kinds: Sequence[str], fields: Sequence[str]) -> dict[str, Any] | None:
    for line in reversed(lines):
        if line.kind in kinds:
            return {"kind": line.kind, "time": line.time, **{field: line.body.get(field) for field in fields}}
    return None


def _is_scheduled(line: Entry) -> bool:
    return line.kind == "trigger" and line.body.get("cause") == "schedule"


def _is_recent_alert(line: Entry) -> bool:
    return line.kind == "alert" and clock.now() - parse_time(line.time) <= timedelta(days=RECENT_DAYS)


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "id": trigger.id,
        "time": trigger.time,
        "cause": trigger.cause,
        "state": trigger.state,
        "reason": trigger.reason,
    }


def _alert(line: Entry) -> dict[str, Any]:
    body = line.body
    hook = f"alerts.{body.get('position')} ({body.get('kind')})"
    return {"time": line.time, "event": body.get("event"), "hook": hook, "reason": body.get("reason")}
