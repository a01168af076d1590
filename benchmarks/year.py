"""A year of hourly bikes through the real flows: what retraining is worth, and what it costs.

A champion is made of 2011. Then 2012 arrives month by month: the clock is set, not slept. Each month's rows are
first predicted by the champion of that day and by the first one, which stands for never retraining; then
`monitor` looks at them, the trigger it may leave is answered by `retrain`, and the monthly schedule asks too. Policy,
gates, promotion rule, registry and ledger are those of the recipe `data/bike_hours`, in a home of its own.

False alarms are counted beside it: four weeks of a champion's own history, drawn at random or in a row, are judged
against its other weeks.

    EVERGREEN_BIKES=hour.csv python benchmarks/year.py [--quick] [--json] [--write] [--data hour.csv]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.year_figure import publish, table  # noqa: E402
from benchmarks.year_still import StillWindows, false_alarms  # noqa: E402
from tasks.core import clock  # noqa: E402
from tasks.core.errors import EvergreenError  # noqa: E402
from tasks.core.home import Home, open_home  # noqa: E402
from tasks.core.load import LoadedRecipe, load_recipe  # noqa: E402

if TYPE_CHECKING:
    import pandas as pd

RECIPE = ROOT / "data" / "bike_hours"
MONTHLY = ["schedule.monitor='0 3 1 * *'", "schedule.retrain='0 4 1 * *'"]
"""The recipe looks every week; here a window is a month."""
QUICK = ["training.epochs=3", "training.early_stopping=null", "gates.thresholds={}"]
BEGIN = datetime(2012, 1, 1, 3, tzinfo=UTC)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """One reason to retrain and what became of it."""

    cause: str
    became: str
    """ran, refused or coalesced."""
    policy: str
    """The policy's sentence."""
    outcome: str
    """Status of the run; empty where there was none."""
    seconds: float


@dataclass(frozen=True)
class Month:
    """What one month brought."""

    month: str
    rows: int
    champion: str
    """Version in use while the rows arrived."""
    rmse: float
    """Of that champion, on rows it cannot know."""
    never_rmse: float
    """Of the first champion."""
    detected: bool
    confirmed: bool
    worse: bool
    """Live performance shown to be worse than at promotion."""
    verdict: str
    """Monitoring's sentence."""
    monitor_seconds: float
    asked: tuple[Asked, ...] = field(default=())


@dataclass(frozen=True)
class Year:
    """All months, and how often a window without drift was flagged."""

    months: tuple[Month, ...]
    first_seconds: float
    """The run that made the first champion."""
    still: dict[str, StillWindows]
    """Windows of `drawn` and of `contiguous` weeks."""
    seconds: float

    @property
    def answer(self) -> dict[str, Any]:
        """The figures as one JSON object."""
        months, asked = self.months, [item for month in self.months for item in month.asked]
        rows = sum(month.rows for month in months)
        total = {key: sum(month.rows * getattr(month, key) ** 2 for month in months) for key in ("rmse", "never_rmse")}
        return {
            "benchmark": "year",
            "months": [asdict(month) for month in months],
            "rows": rows,
            "rmse": (total["rmse"] / rows) ** 0.5,
            "never_rmse": (total["never_rmse"] / rows) ** 0.5,
            "retrains": sum(item.became == "ran" for item in asked),
            "promotions": sum(item.outcome == "promoted" for item in asked),
            "refused": sum(item.became == "refused" for item in asked),
            "windows_flagged": sum(month.detected for month in months),
            "drifts_confirmed": sum(month.confirmed for month in months),
            "still": {kind: asdict(found) for kind, found in self.still.items()},
            "first_seconds": self.first_seconds,
            "seconds": self.seconds,
            "load": round(os.getloadavg()[0], 1),
        }


class Source:
    """The file that grows: all rows of hour.csv up to a day."""

    def __init__(self, whole: Path, grown: Path) -> None:
        self.path = grown
        self._header, *self._lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)

    def until(self, day: datetime) -> None:
        """Let the rows before this day have arrived."""
        last = day.strftime("%Y-%m-%d")
        arrived = [line for line in self._lines if line.split(",")[1] < last]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(self._header + "".join(arrived), encoding="utf-8")
        temporary.replace(self.path)

    def between(self, start: datetime, end: datetime) -> pd.DataFrame:
        """The rows of a span of days."""
        import pandas as pd

        frame = pd.read_csv(self.path)
        day = pd.to_datetime(frame["dteday"], utc=True)
        return frame[(day >= start.replace(hour=0)) & (day < end.replace(hour=0))].reset_index(drop=True)


def simulate(whole: Path, folder: Path, months: int, still: int, overrides: Sequence[str], tell: Tell) -> Year:
    """The first champion, then `months` months; `still` windows without drift per champion."""
    from flows.server import PrefectApi

    started = time.perf_counter()
    source, home = Source(whole, folder / "hour.csv"), open_home(str(folder / "home"))
    source.until(BEGIN)
    loaded = load_recipe(str(RECIPE), [f"data.reader.path={source.path}", *MONTHLY, *overrides])
    with PrefectApi(home) as api:
        # One server for the year; each flow finds its address in the environment.
        api.wait(300)
        first_seconds = _first_champion(loaded, home, tell)
        found = []
        for start, end in _months(months):
            source.until(end)
            found.append(_month(loaded, home, source.between(start, end), start, end))
            tell(table([asdict(found[-1])]).splitlines()[-1])
        alarms = false_alarms(loaded, home, _champions(found), still)
    return Year(tuple(found), first_seconds, alarms, round(time.perf_counter() - started, 1))


def _first_champion(loaded: LoadedRecipe, home: Home, tell: Tell) -> float:
    from flows.training import Order, execute

    with _timed() as seconds, clock.at(BEGIN):
        outcome = execute(Order(loaded, home))
    tell(f"first champion: {outcome.status}, {outcome.payload['metrics']['test']}")
    if outcome.status != "promoted":
        raise SystemExit(f"There is no first champion: {outcome.reason}")
    return seconds[0]


def _month(loaded: LoadedRecipe, home: Home, rows: pd.DataFrame, start: datetime, end: datetime) -> Month:
    """What the month's rows say of both models, then monitoring, then whoever asks for a retraining."""
    from flows.monitoring import monitor
    from tasks.stores import registry

    champion = str(registry.champion_version(home, loaded.recipe.name))
    errors = [_rmse(loaded, home, version, rows) for version in (champion, "1")]
    with _timed() as monitoring, clock.at(end):
        seen = monitor(loaded, home, tell=_silent)
    asked = []
    if seen.trigger is not None and seen.trigger.open:
        trigger = seen.trigger
        asked.append(_asked(loaded, home, end + timedelta(minutes=10), trigger.cause, trigger.reason, trigger.id))
    asked.append(_asked(loaded, home, end + timedelta(hours=1), "schedule", "the monthly schedule", None))
    return Month(
        month=start.strftime("%Y-%m"),
        rows=len(rows),
        champion=champion,
        rmse=errors[0],
        never_rmse=errors[1],
        detected=seen.detected,
        confirmed=seen.confirmed,
        worse=seen.worse,
        verdict=seen.reason,
        monitor_seconds=monitoring[0],
        asked=tuple(asked),
    )


def _asked(loaded: LoadedRecipe, home: Home, when: datetime, cause: Any, reason: str, trigger: str | None) -> Asked:
    from flows.retraining import retrain

    with _timed() as seconds, clock.at(when):
        found = retrain(loaded, home, reason=reason, cause=cause, trigger_id=trigger, tell=_silent)
    status = found.outcome.status if found.outcome else ""
    return Asked(cause, found.trigger.state, found.decision.reason, status, seconds[0])


def _rmse(loaded: LoadedRecipe, home: Home, version: str, rows: pd.DataFrame) -> float:
    from tasks.stores.packaged import verified

    answers = verified(home, loaded.recipe.name, version).scorer(home).predict(None, rows)["prediction"]
    return float(((answers.to_numpy() - rows[loaded.recipe.data.target].to_numpy()) ** 2).mean() ** 0.5)


def _champions(months: Sequence[Month]) -> list[str]:
    return sorted({month.champion for month in months}, key=int)


def _months(number: int) -> Iterator[tuple[datetime, datetime]]:
    start = BEGIN
    for _ in range(number):
        end = (start + timedelta(days=32)).replace(day=1)
        yield start, end
        start = end


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Wall seconds of a `with` block, there when it has ended."""
    seconds, started = [0.0], time.perf_counter()
    yield seconds
    seconds[0] = round(time.perf_counter() - started, 1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    """What goes on within a flow is not of interest here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate; 0 when retraining did better over the year than never retraining, or without the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 months, 3 epochs, 5 windows without drift per champion")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help="write docs/figures/bike_year.svg and docs/bike_year.md")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EVERGREEN_BIKES", RECIPE / "hour.csv")))
    options = parser.parse_args(arguments)
    if not options.data.is_file():
        skipped = f"{options.data.name} is not there: name it with --data or EVERGREEN_BIKES"
        print(json.dumps({"benchmark": "year", "skipped": skipped}) if options.json else f"skipped: {skipped}")
        return 0
    with tempfile.TemporaryDirectory(prefix="evergreen-year-") as folder:
        size = (3, 5, QUICK) if options.quick else (12, 25, [])
        try:
            answer = simulate(options.data.resolve(), Path(folder), *size, _say).answer
        except EvergreenError as error:
            raise SystemExit(f"{error.message} {error.remedy}") from error
    if options.write:
        publish(answer, ROOT / "docs")
    print(json.dumps(answer) if options.json else table(answer["months"], answer))
    return 0 if options.quick or answer["rmse"] < answer["never_rmse"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
