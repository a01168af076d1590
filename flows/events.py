"""Telling Prefect that drift was confirmed: the fast delivery of a trigger whose durable place is the ledger.

The event is posted, and not sent through Prefect's client: that one hands it to a thread, says nothing when the
server is away, and costs an import of seconds. A post is answered when the server has the event.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

from flows.server import answers, known_url
from tasks.core import clock
from tasks.core.home import Home
from tasks.stores.ledger import Ledger
from tasks.stores.triggers import Trigger

DRIFT_DETECTED = "evergreen.drift.detected"
"""Name of the event that the deployment `retrain` waits for."""

AWAY_SECONDS = 2.0
"""How long a server that does not answer may hold up the one who announces."""
TAKE_SECONDS = 10.0
"""How long a server that is there, but busy, may take for one event."""


def announce(home: Home, trigger: Trigger, recipe: str) -> bool:
    """Emit `evergreen.drift.detected` for a trigger that stands in the ledger.

    Args:
        home: The home it stands in.
        trigger: A trigger with the cause drift or performance.
        recipe: Path of the recipe's file; the triggered flow reads it.

    Returns:
        Whether a server took the event. Where none is known, or none answers, the trigger stays pending.
    """
    url = known_url(home)
    if url is None or not answers(url, AWAY_SECONDS):
        return False
    body = json.dumps([event_of(home, trigger, recipe)]).encode()
    request = urllib.request.Request(f"{url}/events", body, headers(), method="POST")  # noqa: S310 - http only
    try:
        with urllib.request.urlopen(request, timeout=TAKE_SECONDS) as response:  # noqa: S310 - http only
            return bool(response.status < 300)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def event_of(home: Home, trigger: Trigger, recipe: str) -> dict[str, Any]:
    """The event as Prefect takes it; announcing one trigger twice gives one event."""
    measured = _measured(home, trigger)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"evergreen:{trigger.id}")),
        "occurred": clock.now().isoformat(),
        "event": DRIFT_DETECTED,
        "resource": {
            "prefect.resource.id": f"evergreen.model.{trigger.model}",
            "prefect.resource.name": trigger.model,
        },
        "related": _related(),
        "payload": {
            "model": trigger.model,
            "trigger_id": trigger.id,
            "recipe": recipe,
            "home": str(home.root),
            "reason": trigger.reason,
            "statistic": measured.get("statistic"),
            "threshold": measured.get("threshold"),
        },
    }


def _measured(home: Home, trigger: Trigger) -> dict[str, Any]:
    """The verdict behind a trigger."""
    entry = Ledger(home.ledger).find(trigger.evidence) if trigger.evidence else None
    return entry.body if entry is not None and entry.kind == "drift" else {}


def _related() -> list[dict[str, str]]:
    """The flow run that announces, where there is one, so that its page shows the event."""
    if "prefect" not in sys.modules:
        return []
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return []
    run = context.flow_run
    return [
        {
            "prefect.resource.id": f"prefect.flow-run.{run.id}",
            "prefect.resource.role": "flow-run",
            "prefect.resource.name": run.name,
        }
    ]


def headers() -> dict[str, str]:
    """What goes with a request to the Prefect API: JSON, and who is asking where the server wants to know."""
    found = {"Content-Type": "application/json"}
    password, key = os.environ.get("PREFECT_API_AUTH_STRING"), os.environ.get("PREFECT_API_KEY")
    if password:
        found["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    elif key:
        found["Authorization"] = f"Bearer {key}"
    return found
