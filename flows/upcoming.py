"""What a Prefect server is going to start, asked with one question and without importing Prefect."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.events import headers
from flows.server import known_url
from tasks.core import clock
from tasks.core.home import Home
from tasks.trace.overview import next_tick

ASK_SECONDS = 2.0
"""How long the answer may take; who asks is waiting."""
TAG = "evergreen"
"""What every deployment of ours is tagged with."""


@dataclass(frozen=True)
class Upcoming:
    """The next start of one deployment."""

    model: str
    what: str
    """monitor or retrain."""
    time: str
    """UTC, ISO 8601."""


def upcoming(home: Home, seconds: float = ASK_SECONDS) -> list[Upcoming] | None:
    """The next start of every deployment with a schedule that is switched on, soonest first.

    None where no server is known or none answers within `seconds`.
    """
    url = known_url(home)
    if url is None:
        return None
    found: list[list[dict[str, Any]]] = []

    def ask() -> None:
        # Where there is no server, or one that speaks of something else, nothing is known.
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            found.append(_deployments(url, seconds))

    # In a thread of its own: a timeout on a socket says nothing about a slow look-up of a name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return starts(found[0], clock.now()) if found else None


def starts(deployments: list[dict[str, Any]], now: datetime) -> list[Upcoming]:
    """The next start of each deployment, as Prefect describes them, soonest first; they are named for their model."""
    found = []
    for deployment in deployments:
        ticks = [] if deployment.get("paused") else _ticks(deployment.get("schedules") or [], now)
        if ticks:
            found.append(Upcoming(deployment["name"], _what(deployment), min(ticks).isoformat(timespec="seconds")))
    return sorted(found, key=lambda item: item.time)


def _deployments(url: str, seconds: float) -> list[dict[str, Any]]:
    body = json.dumps({"deployments": {"tags": {"all_": [TAG]}}, "limit": 200}).encode()
    # Prefect's addresses are http or https; anything else is refused by its client as well.
    request = urllib.request.Request(f"{url}/deployments/filter", body, headers(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
        found = json.loads(answer.read())
    if not isinstance(found, list):
        raise ValueError("not a list of deployments")
    return found


def _what(deployment: dict[str, Any]) -> str:
    """The flow, by the last word of `flows.scheduled.monitor`."""
    return str(deployment.get("entrypoint") or "").rpartition(".")[2]


def _ticks(schedules: list[dict[str, Any]], now: datetime) -> list[datetime]:
    """The next time of each cron schedule that is switched on."""
    found = []
    for item in schedules:
        schedule = item.get("schedule") or {}
        if item.get("active") and "cron" in schedule:
            found.append(next_tick(schedule["cron"], schedule.get("timezone") or "UTC", now))
    return found
