"""The simulated year as a picture and as tables: what `benchmarks/year.py` prints and writes."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SIZE = (820, 420)
MARK = "●"
STYLE = """
svg { --paper: #ffffff; --ink: #1c2430; --soft: #5a6675; --line: #d9dfe6; --grid: #e8ecf1;
  --c0: #2f6db3; --c1: #d2762a; --c2: #2a9270; --c3: #b8477f; color-scheme: light dark;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #12171e; --ink: #e4e9ef; --soft: #9aa7b5; --line: #303a46;
  --grid: #252e39; --c0: #6aa5e6; --c1: #eb9a55; --c2: #52c29b; --c3: #e27fb0; } }
text { fill: var(--ink); font-size: 12px; } .soft { fill: var(--soft); }
"""
"""A picture that stands alone brings its own colours, those of the report pages."""
MARKS = re.compile(r"(<!-- begin: {0} -->\n).*?(<!-- end: {0} -->)".replace("{0}", "figures"), re.DOTALL)


def figure(months: Sequence[dict[str, Any]]) -> str:
    """RMSE of each month with and without retraining; below it what monitoring said and what the run came to."""
    from tasks.report.svg import COLOURS, Plot

    names = ("retrained by the recipe's policy", "never retrained")
    top = 1.12 * max(max(month["rmse"], month["never_rmse"]) for month in months)
    below = 34 + 17 * len(ROWS)
    plot = Plot((0.5, len(months) + 0.5), (0, top), size=SIZE, left=124, right=20, bottom=below, top=40)
    ticks = [(place, calendar.month_abbr[int(month["month"][5:])]) for place, month in enumerate(months, 1)]
    plot.axes("", "RMSE, bicycles per hour", x_ticks=ticks)
    places = list(range(1, len(months) + 1))
    for colour, name, key in zip(COLOURS, names, ("rmse", "never_rmse"), strict=False):
        values = [month[key] for month in months]
        plot.line(places, values, colour, title=name, wide=2.5)
        for place, value in zip(places, values, strict=True):
            plot.points(*_dot(place, value), colour, size=7, shade=1)
    _legend(plot, names)
    _rows(plot, months)
    return _alone(plot.svg())


def _dot(place: float, value: float) -> tuple[Any, Any]:
    import numpy as np

    return np.array([float(place)]), np.array([float(value)])


def _legend(plot: Any, names: Sequence[str]) -> None:
    from tasks.report.svg import COLOURS

    for place, name in enumerate(names):
        left = plot.box[0] + 260 * place
        plot.box_at((left, 13, 18, 4), COLOURS[place])
        plot.text(left + 24, 20, name)


def _rows(plot: Any, months: Sequence[dict[str, Any]]) -> None:
    """One line of marks for each thing that can happen in a month."""
    for line, (label, holds) in enumerate(ROWS.items()):
        height = plot.box[3] + 36 + 17 * line
        plot.text(plot.box[0] - 7, height, label, anchor="end", soft=True)
        for place, month in enumerate(months, 1):
            mark = MARK if holds(month) else "·"
            plot.text(plot.x(place), height, mark, anchor="middle", soft=mark != MARK)


def _came_to(month: dict[str, Any], *statuses: str) -> bool:
    return any(item["outcome"] in statuses for item in month["asked"])


ROWS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "drift flagged": lambda month: month["detected"],
    "does worse": lambda month: month["worse"],
    "promoted": lambda month: _came_to(month, "promoted"),
    "rejected or held": lambda month: _came_to(month, "rejected", "held"),
}
"""What is marked below the months."""


def _alone(svg: str) -> str:
    opening, _, rest = svg.partition(">")
    title = "<title>Error per month with and without retraining</title>"
    paper = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f"{opening}>{title}<style>{STYLE}</style>{paper}{rest}\n"


def table(months: Sequence[dict[str, Any]], answer: dict[str, Any] | None = None) -> str:
    """One line per month, as Markdown; with `answer` the sums below it."""
    lines = [
        "| month | rows | champion | RMSE | never retrained | monitoring | who asked → what became of it | seconds |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for month in months:
        said = "drift confirmed" if month["confirmed"] else "drift suspected" if month["detected"] else "no drift"
        said += ", does worse" if month["worse"] else ""
        asked = "; ".join(f"{item['cause']} → {item['outcome'] or item['became']}" for item in month["asked"])
        seconds = f"{month['monitor_seconds']:.0f} + {sum(item['seconds'] for item in month['asked']):.0f}"
        lines.append(
            f"| {month['month']} | {month['rows']} | {month['champion']} | {month['rmse']:.1f} | "
            f"{month['never_rmse']:.1f} | {said} | {asked} | {seconds} |"
        )
    return "\n".join([*lines, "", *summary(answer)] if answer else lines)


def summary(answer: dict[str, Any]) -> list[str]:
    """The sums as a Markdown list."""
    gain = 100 * (1 - answer["rmse"] / answer["never_rmse"])
    return [
        f"- RMSE over all {answer['rows']:,} rows: **{answer['rmse']:.1f}** with retraining, "
        f"**{answer['never_rmse']:.1f}** without ({gain:.0f} % less).",
        f"- Retrains: {answer['retrains']}; promotions: {answer['promotions']}; requests the policy refused: "
        f"{answer['refused']}.",
        f"- Months flagged as drifted: {answer['windows_flagged']} of {len(answer['months'])}; confirmed: "
        f"{answer['drifts_confirmed']}.",
        f"- False alarms: {_share(answer['still']['drawn'])} windows of drawn weeks were flagged, "
        f"{_share(answer['still']['contiguous'])} windows of weeks in a row.",
        f"- {answer['seconds']:.0f} s in all, {answer['first_seconds']:.0f} s of them for the first champion; load "
        f"{answer['load']} at the end.",
    ]


def _share(still: dict[str, int]) -> str:
    return f"{still['flagged']} of {still['windows']} ({100 * still['flagged'] / max(still['windows'], 1):.1f} %)"


def publish(answer: dict[str, Any], docs: Path) -> None:
    """Write the picture, and table, sums and picture between the marks of docs/bike_year.md."""
    (docs / "figures").mkdir(exist_ok=True)
    (docs / "figures" / "bike_year.svg").write_text(figure(answer["months"]), encoding="utf-8")
    page = docs / "bike_year.md"
    picture = "![RMSE of each month with and without retraining](figures/bike_year.svg)"
    body = f"{table(answer['months'], answer)}\n\n{picture}"
    page.write_text(MARKS.sub(lambda found: f"{found[1]}{body}\n{found[2]}", page.read_text()), encoding="utf-8")
