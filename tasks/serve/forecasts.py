"""What a file of rows ordered in time asks of a model of windows: one question for each whole window.

The newest windows ask about rows that are not in the file yet; that is what a forecast is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.core.recipe import Windows
from tasks.core.splits import moments_in
from tasks.core.windows import in_order, refuse_absent, window_columns, with_windows
from tasks.report.numbers import count
from tasks.serve.steps_in_time import continued, missing_between


@dataclass(frozen=True)
class Questions:
    """A row for each window, in the order of the rows they are about; those that are not in the file come last."""

    frame: pd.DataFrame
    """The rows asked about, with their windows: what the model is given."""
    labels: pd.DataFrame
    """What an answer begins with: the id and whose row it is, where there are such columns, the row's time, the time
    of its window's last row (`window_end`), and how many rows lie between them (`horizon`)."""
    notes: tuple[str, ...]
    """What was not asked, and why, in a sentence each."""

    def pieces(self, rows: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Frame and labels, so many rows at a time; one without rows where nothing is asked."""
        for start in range(0, max(1, len(self.frame)), rows):
            yield self.frame.iloc[start : start + rows], self.labels.iloc[start : start + rows]


def questions(
    frame: pd.DataFrame, windows: Windows, time: str, columns: Sequence[str], id_column: str | None = None
) -> Questions:
    """Every window of a file that is whole, and the row it is about.

    A window that ends at some row is about the row `horizon` after it. Where that is not in the file, its time follows
    from the steps between the rows, and stays empty where they follow no rule. A window is whole where it has all its
    rows and the last of them lacks no number; gaps inside are filled as in training.

    Args:
        frame: Rows [N] as the recipe's source gives them, in any order.
        windows: `data.windows`.
        time: `data.time`.
        columns: What the model looks at. Where that is more than the window, only rows of the file can be asked about.
        id_column: `data.id`; a row that is not in the file has none.

    Raises:
        ValueError: one sentence: a column is absent, a row has no time or nobody whose it is, there are fewer rows than
            a window has, or some are missing between others.
    """
    refuse_absent(frame, windows, time)
    _refuse_empty_cells(frame, windows, time)
    numbers = {column: pd.to_numeric(frame[column], errors="coerce").astype(float) for column in windows.columns}
    known = frame.assign(**numbers).reset_index(drop=True)
    order = in_order(known, time)
    places = _places(known, windows, order)
    _refuse_few_rows(places, windows)
    ordered, series = known[time][order], places["series"][order]
    _refuse_gaps(ordered, series)
    times = _times(ordered, series, windows.horizon)
    # Known of rows to come: what they have seen, whose they are, and when they are, where steps follow a rule.
    foreseen = {*window_columns(windows), windows.by, *([] if None in times else [time])}
    beside = [column for column in columns if column not in foreseen]
    last = places.groupby("series")["rank"].idxmax()
    ahead = np.repeat(last.to_numpy(), 0 if beside else windows.horizon)
    # With the time of their last row, and so after it, because rows of one time keep their order.
    coming = known.iloc[ahead].assign(**dict.fromkeys(windows.columns, np.nan))
    every = pd.concat([known, coming], ignore_index=True)
    places = _places(every, windows, in_order(every, time))
    full = places["rank"] >= windows.length - 1 + windows.horizon
    ends = places["end"].where(full, 0).astype(int).to_numpy()
    valued = every[list(windows.columns)].notna().all(axis=1).to_numpy()
    ended = full & valued[ends]
    shown = [name for name in (id_column, windows.by) if name in known.columns]
    labels = every[list(dict.fromkeys(shown))].astype(object)
    if id_column in labels.columns:
        labels.loc[len(known) :, id_column] = None
    labels[time] = [*known[time], *times[: len(coming)]]
    labels["window_end"] = known[time].to_numpy()[ends]
    labels["horizon"] = windows.horizon
    asked = with_windows(every, windows, time)
    if time in columns:
        asked[time] = labels[time]
    notes = [
        *_left_out(places[: len(known)], (full & ~ended)[: len(known)], windows),
        *_unasked(places, valued, windows, beside),
    ]
    return Questions(asked[ended], labels[ended], tuple(notes))


def _places(frame: pd.DataFrame, windows: Windows, order: pd.Index) -> pd.DataFrame:
    """Of each row: `series`, the number of whose it is; `rank` among those; `end`, where the row's window ends."""
    owner = pd.Series(np.zeros(len(frame), dtype=np.int64))
    if windows.by is not None:
        owner = pd.Series(pd.factorize(frame[windows.by])[0])
    ordered = pd.Series(order, index=order, dtype=np.int64).groupby(owner[order])
    return pd.DataFrame({"series": owner, "rank": ordered.cumcount(), "end": ordered.shift(windows.horizon)})


def _times(ordered: pd.Series, series: pd.Series, horizon: int) -> list[object]:
    """Times of the rows that are not in the file, series by series; None where the steps follow no rule."""
    return [moment for _, column in ordered.groupby(series) for moment in continued(column, horizon)]


def _left_out(places: pd.DataFrame, torn: pd.Series, windows: Windows) -> Iterator[str]:
    """Rows of the file without an answer; those whose past is not in it are told of only where they are all of one."""
    lengths = places.groupby("series").size()
    short = int((lengths < windows.length).sum())
    if short:
        yield (
            f"{short:,} of {len(lengths):,} '{windows.by}' {_have(short)} fewer rows than the {windows.length} of a "
            "window, and got no answer."
        )
    if torn.any():
        number = int(torn.sum())
        yield f"{count(number, 'row')} got no answer: the last row of the window lacks a number."


def _unasked(places: pd.DataFrame, valued: np.ndarray, windows: Windows, beside: Sequence[str]) -> Iterator[str]:
    """Whole windows about rows that are not in the file, and that cannot be asked about without them."""
    after = places["rank"] > places.groupby("series")["rank"].transform("max") - windows.horizon
    if beside and (valued & after & (places["rank"] >= windows.length - 1)).any():
        yield (
            f"The newest windows got no answer: the model looks at '{beside[0]}' of the row it forecasts as well. Add "
            "such rows, with what is known of them."
        )


def _refuse_empty_cells(frame: pd.DataFrame, windows: Windows, time: str) -> None:
    absent = int(moments_in(frame[time]).isna().sum())
    if absent:
        raise ValueError(f"{count(absent, 'row')} of it {_have(absent)} no time in '{time}' that can be read.")
    nobody = 0 if windows.by is None else int(frame[windows.by].isna().sum())
    if nobody:
        raise ValueError(f"{count(nobody, 'row')} of it {_have(nobody)} no '{windows.by}', which says whose a row is.")


def _refuse_few_rows(places: pd.DataFrame, windows: Windows) -> None:
    most = int(places["rank"].max()) + 1 if len(places) else 0
    if most < windows.length:
        of_one = f" of one '{windows.by}'" if windows.by is not None else ""
        raise ValueError(
            f"A window takes {count(windows.length, 'row')}{of_one}, and the file has {most or 'none'}"
            f"{' at most' if of_one and most else ''}."
        )


def _refuse_gaps(ordered: pd.Series, series: pd.Series) -> None:
    gaps = missing_between(moments_in(ordered), series)
    if gaps:
        raise ValueError(
            f"Rows are missing at {count(gaps, 'place')} of '{ordered.name}', where a step is longer than the others; "
            "add them, their values left empty where nobody knows them."
        )


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
