"""What monitoring found: as the JSON object of the command, and as what people see beside the flow run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.hashing import json_sha256
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.report.numbers import show
from tasks.stores.ledger import Entry
from tasks.stores.triggers import Trigger

if TYPE_CHECKING:
    from prefect.states import State

NOTHING = "There is nothing new to look at: no new rows in the source, and no predictions since the last monitoring."


@dataclass(frozen=True)
class Order:
    """What is to be looked at."""

    loaded: LoadedRecipe
    home: Home
    champion: str
    """The version that new rows are compared with."""
    data: Path | None = None
    """A file of rows; none: the source's new rows, else the journal."""

    @property
    def name(self) -> str:
        """The model."""
        return self.loaded.recipe.name

    @property
    def settings(self) -> str:
        """Hash of what a verdict depends on beside rows and champion."""
        recipe = self.loaded.recipe
        own = {"monitoring": recipe.monitoring.model_dump(mode="json"), "cron": recipe.schedule.monitor}
        return json_sha256({**own, "metric": recipe.metric, "margin": recipe.gates.promotion.margin})

    def identity(self, fingerprint: str) -> dict[str, str]:
        """What the verdict on a window with this fingerprint is known by."""
        return {"fingerprint": fingerprint, "champion": self.champion, "settings": self.settings}


@dataclass(frozen=True)
class Monitored:
    """What was found."""

    order: Order
    line: Entry | None
    """The verdict's line in the ledger; None where nothing was judged."""
    reason: str
    """One sentence."""
    repeated: bool = False
    """This very window had been judged before."""
    trigger: Trigger | None = None
    announced: bool = False
    """A Prefect server took the event."""
    window: dict[str, Any] = field(default_factory=dict)
    """As the ledger keeps it; empty where there was nothing to look at."""

    @property
    def detected(self) -> bool:
        """Whether this window drifted."""
        return self.line is not None and bool(self.line.body["detected"])

    @property
    def confirmed(self) -> bool:
        """Whether enough windows drifted to act on it."""
        return self.line is not None and bool(self.line.body["confirmed"])

    @property
    def worse(self) -> bool:
        """Whether the champion is shown to do worse than at its promotion."""
        performance = self.line.body["performance"] if self.line else None
        return bool(performance and performance["worse"])

    @property
    def payload(self) -> dict[str, Any]:
        """The command's answer, without `command`, `status` and `seconds`."""
        body = self.line.body if self.line else {}
        nothing = {"rows": 0, "labelled": 0, "from": None, "to": None, "origin": None, "fingerprint": None}
        drift = {"detected": self.detected, "confirmed": self.confirmed, "columns": body.get("columns", [])}
        measured = {key: body.get(key) for key in ("statistic", "threshold", "supported_rate")}
        return {
            "model": self.order.name,
            "champion": self.order.champion,
            "reason": self.reason,
            "window": {**nothing, **self.window},
            "drift": {**drift, **measured, "reason": body.get("drift_reason", self.reason)},
            "performance": body.get("performance"),
            "note": body.get("note", ""),
            "trigger_id": self.trigger.id if self.trigger else None,
            "announced": self.announced,
            "repeated": self.repeated,
            "report": str(self.order.home.path(body["report"])) if body.get("report") else None,
        }


def verdict_word(found: Monitored) -> str:
    """The verdict in two words or three."""
    if found.line is None:
        return "not judged" if found.window else "nothing new"
    if found.confirmed:
        return "drift confirmed"
    if found.worse:
        return "champion does worse"
    return "drift suspected" if found.detected else "no drift"


def details(body: dict[str, Any]) -> dict[str, Any]:
    """Names and numbers of a verdict, for an alert."""
    moved = {column["name"]: round(column["effect"], 3) for column in body["columns"] if column["drifted"]}
    return {"rows": body["window"]["rows"], "statistic": body["statistic"], "threshold": body["threshold"], **moved}


def publish(found: Monitored) -> None:
    """Put the verdict and the table of columns beside the flow run."""
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    slug = re.sub(r"[^a-z0-9]+", "-", found.order.name).strip("-")
    create_markdown_artifact(
        markdown(found),
        key=f"{slug}-monitoring",
        description=f"Whether new rows still look as {found.order.name} knew them",
    )
    columns = found.payload["drift"]["columns"]
    if columns:
        create_table_artifact(
            column_rows(columns), key=f"{slug}-drift", description="How far each column moved: 0 not at all, 1 wholly"
        )


def column_rows(columns: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table of columns as people read it: the farthest beyond its threshold first."""
    ordered = sorted(columns, key=lambda column: (column["threshold"] or 0) - (column["effect"] or 0))
    return [
        {
            "column": column["name"],
            "moved by": show(column["effect"]),
            "usual": f"up to {show(column['threshold'])}",
            "verdict": "drifted" if column["drifted"] else "as before",
        }
        for column in ordered
    ]


def markdown(found: Monitored) -> str:
    """The verdict as people read it on the page of the flow run."""
    payload = found.payload
    window, report = payload["window"], payload["report"]
    lines = [f"# {found.order.name}: {verdict_word(found)}", "", found.reason, ""]
    labelled = "" if found.order.loaded.recipe.data.target is None else f" ({window['labelled']:,} labelled)"
    lines += [f"{window['rows']:,} rows{labelled} against version {found.order.champion}.", ""]
    performance = payload["performance"]
    if performance and not found.worse:  # what is worse stands in the reason
        lines += [f"Live performance: {performance['reason']}", ""]
    if found.trigger:
        lines += [f"**Trigger** `{found.trigger.id}`: {found.trigger.state}", ""]
    if report:
        lines += [f"The report, on the machine that looked: `{report}`", ""]
    return "\n".join(lines)


def state_of(found: Monitored) -> State[Any]:
    """The flow run's final state: whatever was found, monitoring itself went well."""
    from prefect.states import Completed

    return Completed(name=verdict_word(found).capitalize(), message=found.reason)
