"""Dates: when the rows were, by the parts of the calendar that a model is told, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.report.histograms import bars, histogram
from tasks.report.numbers import count
from tasks.report.page import Figure, Page
from tasks.transforms.dates import part_of

NAMES = {
    "weekday": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "weekend": ("workday", "weekend"),
    "month": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
FIRST = {"month": 1}
TWO_YEARS = 730


@dataclass(frozen=True)
class Dates:
    """A column of dates: datetime64 [N], NaT where there is none, and the parts that a model is told."""

    moments: np.ndarray
    parts: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Rows without a date."""
        return int(np.isnat(self.moments).sum())

    def groups(self, part: str) -> np.ndarray:
        """Which hour, weekday, month, … each row belongs to; whole numbers as float64 [N], NaN where there is none."""
        return np.asarray(np.floor(part_of(self.moments, part)))


def date_figures(page: Page, dates: dict[str, Dates], with_target: dict[str, float]) -> None:
    """Add the rows of every part of every date to the page."""
    page.heading("Dates").text("Rows by each part of the calendar that a model is told, and by year.")
    figures = []
    for name, column in dates.items():
        for part in dict.fromkeys((*column.parts, "year")):
            strength = with_target.get(f"{name} ({part})", float("nan"))
            caption = f"strength with the target {strength:.2f}" if np.isfinite(strength) else ""
            title = f"{name}: {part.replace('_', ' ')}"
            figures.append(Figure(_drawn(column.groups(part), part, title), caption, f"Rows of {name} by {part}"))
    page.gallery(figures, 430)


def _drawn(groups: np.ndarray, part: str, title: str) -> str:
    """Bars of parts that have names, a histogram of the others."""
    if part not in NAMES:
        return histogram(groups, title, (430, 200))
    names, first = NAMES[part], FIRST.get(part, 0)
    return bars(names, [int((groups == place + first).sum()) for place in range(len(names))], title, width=430)


def date_findings(dates: dict[str, Dates]) -> Iterator[str]:
    """What the rows cannot teach about their dates."""
    for name, column in dates.items():
        known = column.moments[~np.isnat(column.moments)]
        if not len(known):
            continue
        if "hour" in column.parts and not part_of(known, "hour").any():
            yield f"{name} holds days without a time: its part hour tells a model nothing."
        days = (known.max() - known.min()) / np.timedelta64(1, "D")
        yearly = [part for part in ("month", "day_of_year") if part in column.parts]
        if yearly and days < TWO_YEARS:
            yield (
                f"The rows of {name} lie within {count(int(days) + 1, 'day')}, less than two years: "
                f"by its part {yearly[0]} a model cannot tell a season from what has changed since."
            )
        if "year" in column.parts:
            yield f"The part year of {name} grows beyond all training rows: a model has to guess how it goes on."
