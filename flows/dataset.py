"""The dataset version that an order brought in."""

from __future__ import annotations

from flows.outcome import Outcome
from tasks.core import results
from tasks.core.contracts import Versioned, from_json
from tasks.core.home import Home


def dataset_version(home: Home, name: str, outcome: Outcome) -> Versioned:
    """What the stage `version` gave in an order that came as far as that, whoever has run since."""
    wanted = outcome.payload["dataset"]["version"]
    records = results.every(home, name, "version")
    record = next(record for record in records if record.output["version"] == wanted)
    versioned: Versioned = from_json(Versioned, record.output)
    return versioned
