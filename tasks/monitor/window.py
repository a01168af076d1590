"""The window: which new rows are looked at, so that no row is judged twice and none is forgotten.

A file is looked at as a whole. Of the source, the rows count that are not in the dataset and that no earlier
window held; a window that was too small to be judged leaves its rows to the next one. Which rows a window held
is kept beside its report, as row ids: the ledger says only how many there were.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.hashing import json_sha256
from tasks.core.home import Home
from tasks.core.truth import has_truth
from tasks.monitor.reference import Reference, moments
from tasks.stores.journal import Journal, Predicted
from tasks.stores.ledger import Entry

Origin = Literal["data", "source", "journal"]

ROWS = "rows.parquet"
JUDGED = ("compared", "measured")
"""The rows of a judged window: `row_id`, whether they were `compared` with the champion's, and whether its
performance was `measured` on them."""


@dataclass(frozen=True)
class Window:
    """New rows, or predictions about rows nobody kept."""

    origin: Origin
    fingerprint: str
    """SHA-256 (hex) of what is looked at: equal windows have equal ones."""
    rows: pd.DataFrame
    """Rows for the verdict on drift, in time: `row_id` and the champion's columns; for the journal `prediction`."""
    labelled: pd.DataFrame
    """Rows with a target that the champion was not trained on, for its live performance."""
    first: str | None
    last: str | None
    """Time of the oldest and the newest row, where rows have one."""
    what: str
    """What the rows are called where something is wrong with them."""
    note: str = ""
    """What cannot be said about these rows, and why."""

    @property
    def summary(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        counts = {"rows": len(self.rows), "labelled": len(self.labelled)}
        return {**counts, "from": self.first, "to": self.last, "fingerprint": self.fingerprint, "origin": self.origin}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look at."""
        return self.rows.empty and self.labelled.empty


def of_file(rows: pd.DataFrame, digest: str, reference: Reference, time: str | None, what: str) -> Window:
    """All rows of a file.

    Args:
        rows: With `row_id`.
        digest: SHA-256 (hex) of the file's bytes.
        reference: The champion.
        time: The column that orders rows in time.
        what: The file's name, for people.

    Raises:
        RequestError: a column that the champion needs is missing.
    """
    check_columns(rows, reference, what)
    rows = _in_time(rows, time)
    labelled, note = _labelled(rows, reference)
    return Window("data", digest, rows, labelled, *_span(rows, time), what, note)


def of_source(rows: pd.DataFrame, held: pd.DataFrame, reference: Reference, time: str | None, what: str) -> Window:
    """The rows of the source that are new, and those whose label is.

    Args:
        rows: With `row_id`, `known` (the dataset has the row) and `known_labelled` (with its label).
        held: Rows of earlier windows, as `held_rows` gives them.
        reference: The champion.
        time: The column that orders rows in time.
        what: The source's name, for people.

    Raises:
        RequestError: a column that the champion needs is missing.
    """
    check_columns(rows, reference, what)
    rows = _in_time(rows, time)
    new = rows[~rows["known"].to_numpy(dtype=bool) & ~rows["row_id"].isin(_judged(held, "compared"))]
    untold = rows[~rows["known_labelled"].to_numpy(dtype=bool) & ~rows["row_id"].isin(_judged(held, "measured"))]
    labelled, note = _labelled(untold, reference)
    fingerprint = json_sha256({"rows": sorted(new["row_id"]), "labelled": sorted(labelled["row_id"])})
    return Window("source", fingerprint, new, labelled, *_span(new if len(new) else labelled, time), what, note)


def of_journal(home: Home, name: str, version: str, after: str) -> Window:
    """What a version has said after a time (UTC, ISO 8601; empty: from the start).

    Raises:
        ServiceError: the journal cannot be read.
    """
    return _of_predictions(Journal(home.journal).since(name, version, after))


def _of_predictions(said: list[Predicted]) -> Window:
    rows = pd.DataFrame(
        {"row_id": [item.prediction_id for item in said], "prediction": [item.prediction for item in said]}
    )
    fingerprint = json_sha256(sorted(rows["row_id"]))
    first, last = (said[0].time, said[-1].time) if said else (None, None)
    note = "The journal holds predictions and no features, so only the champion's answers are compared."
    return Window("journal", fingerprint, rows, rows[:0], first, last, "The journal", note)


def check_columns(rows: pd.DataFrame, reference: Reference, what: str) -> None:
    """Refuse rows that the champion could not answer.

    Raises:
        RequestError: a column is missing.
    """
    missing = [column for column in reference.columns if column not in rows.columns]
    if not missing:
        return
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise RequestError(
        f"{what}: the column '{missing[0]}'{others}, which {reference.name}/{reference.version} needs, is missing.",
        remedy="Give the rows with the columns the champion was trained on.",
        code="schema",
    )


def held_rows(home: Home, name: str, drifts: Sequence[Entry]) -> pd.DataFrame:
    """Rows of the windows these ledger lines judged, one row per id, with what they were judged for (see `ROWS`)."""
    nothing = pd.DataFrame({"row_id": pd.Series(dtype=object), **{what: pd.Series(dtype=bool) for what in JUDGED}})
    fingerprints = sorted({line.body["window"]["fingerprint"] for line in drifts})
    paths = [folder_of(home, name, fingerprint) / ROWS for fingerprint in fingerprints]
    found = [pd.read_parquet(path) for path in paths if path.is_file()]
    return pd.concat([nothing, *found]).groupby("row_id", as_index=False)[list(JUDGED)].any()


def keep_rows(home: Home, name: str, window: Window, *, drift: bool, performance: bool) -> None:
    """Note which rows a window held and what they were judged for; done before the line that makes it count."""
    ids = pd.concat([window.rows["row_id"], window.labelled["row_id"]]).drop_duplicates().reset_index(drop=True)
    compared = ids.isin(window.rows["row_id"]) & drift
    measured = ids.isin(window.labelled["row_id"]) & performance
    folder = folder_of(home, name, window.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{ROWS}.{os.getpid()}.tmp"
    pd.DataFrame({"row_id": ids.astype(object), "compared": compared, "measured": measured}).to_parquet(temporary)
    os.replace(temporary, folder / ROWS)


def folder_of(home: Home, name: str, fingerprint: str) -> Path:
    """Where the report of a window lies."""
    return home.work(name, "monitor", fingerprint)


def _judged(held: pd.DataFrame, what: str) -> pd.Series:
    return held["row_id"][held[what].to_numpy(dtype=bool)]


def _labelled(rows: pd.DataFrame, reference: Reference) -> tuple[pd.DataFrame, str]:
    """Rows with a target that the champion has not seen, and why there are none where that is worth a word."""
    if reference.target is not None and reference.target not in rows.columns:
        return rows[:0], f"The rows have no column '{reference.target}', so live performance cannot be measured."
    labelled = rows[has_truth(rows, reference.target).to_numpy(dtype=bool)]
    unseen = labelled[~reference.seen(labelled["row_id"])]
    if len(labelled) and unseen.empty:
        return unseen, "The champion was trained on every labelled row, so its performance on them says nothing."
    return unseen, "" if len(labelled) else "No row has a label yet, so live performance cannot be measured."


def _in_time(rows: pd.DataFrame, time: str | None) -> pd.DataFrame:
    if time is None or time not in rows.columns:
        return rows
    return rows.loc[moments(rows[time]).sort_values(kind="stable", na_position="first").index].reset_index(drop=True)


def _span(rows: pd.DataFrame, time: str | None) -> tuple[str | None, str | None]:
    if time is None or time not in rows.columns:
        return None, None
    dated = moments(rows[time]).dropna()
    if dated.empty:
        return None, None
    oldest, newest = dated.min(), dated.max()
    if isinstance(oldest, pd.Timestamp):
        return oldest.isoformat(), newest.isoformat()
    return f"{oldest:g}", f"{newest:g}"
