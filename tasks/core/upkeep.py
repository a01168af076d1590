"""The sections of a recipe that keep a champion fresh: monitoring, retraining, schedule, alerts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, SecretStr, Tag, field_serializer, field_validator, model_validator

from tasks.core.blocks import Block, Custom

AlertEvent = Literal["stopped", "rejected", "drifted", "crashed", "overdue"]


class Monitoring(Block):
    """When a batch counts as drifted."""

    false_alarms_per_year: float = Field(default=4.0, gt=0)
    """Confirmed alarms that may be raised in a year in which nothing changes; the threshold follows from it."""
    windows_to_confirm: int = Field(default=2, ge=1)
    """Windows that must exceed the threshold before an alarm is raised …"""
    of_windows: int | None = Field(default=None, ge=1)
    """… among so many of the newest; none: all of them in a row."""
    min_rows: int = Field(default=30, ge=10)
    """A window with fewer rows is not judged."""

    @model_validator(mode="after")
    def _enough_windows(self) -> Monitoring:
        if self.of_windows is not None and self.of_windows < self.windows_to_confirm:
            raise ValueError("monitoring.of_windows must be at least monitoring.windows_to_confirm")
        return self


class ExpandingWindow(Block):
    """Train on every row there is."""

    kind: Literal["expanding"] = "expanding"


class SlidingWindow(Block):
    """Train on the newest rows only; older ones stay in the dataset."""

    kind: Literal["sliding"]
    days: float | None = Field(default=None, gt=0)
    """Rows no older than this, counted from the newest training row; needs data.time."""
    rows: int | None = Field(default=None, gt=0)
    """So many of the newest training rows, by data.time, else by batch."""

    @model_validator(mode="after")
    def _one_measure(self) -> SlidingWindow:
        if (self.days is None) == (self.rows is None):
            raise ValueError("retraining.window: a sliding window takes either days or rows")
        return self


Window = Annotated[ExpandingWindow | SlidingWindow, Field(discriminator="kind")]


class Policy(Block):
    """What every retraining policy has."""

    cooldown_days: float = Field(default=1.0, ge=0)
    """No retraining within so many days of the last decided attempt."""
    min_rows: int = Field(default=50, ge=1)
    """Labelled rows the dataset must have."""
    window: Window = ExpandingWindow()
    """Rows a model is trained on, in every run of the recipe."""
    start_from: Literal["scratch", "champion"] = "scratch"
    """`champion`: begin with the champion's weights, where the network has the same shape."""


class NeverPolicy(Policy):
    """Only a person retrains, with `evergreen run`."""

    kind: Literal["never"]


class ScheduledPolicy(Policy):
    """At every tick of schedule.retrain."""

    kind: Literal["scheduled"]


class AgePolicy(Policy):
    """When the last decided attempt is too old."""

    kind: Literal["age"]
    max_age_days: float = Field(default=30.0, gt=0)
    """Days after which a model counts as too old."""


class DriftPolicy(Policy):
    """When drift was confirmed since the last decided attempt."""

    kind: Literal["drift"]


class PerformancePolicy(Policy):
    """When the champion's live metric is shown to be worse than at its promotion by more than the margin."""

    kind: Literal["performance"]


class HybridPolicy(Policy):
    """Age, drift or performance, whichever comes first."""

    kind: Literal["hybrid"] = "hybrid"
    max_age_days: float = Field(default=30.0, gt=0)
    """Days after which a model counts as too old."""


class CustomPolicy(Policy, Custom):
    """A function of your own: takes the facts of tasks/retrain/policy.py, gives (retrain, reason)."""


def _policy_kind(value: Any) -> str:
    """A policy is hybrid unless it says otherwise."""
    return str(value.get("kind", "hybrid") if isinstance(value, dict) else getattr(value, "kind", "hybrid"))


Retraining = Annotated[
    Annotated[NeverPolicy, Tag("never")]
    | Annotated[ScheduledPolicy, Tag("scheduled")]
    | Annotated[AgePolicy, Tag("age")]
    | Annotated[DriftPolicy, Tag("drift")]
    | Annotated[PerformancePolicy, Tag("performance")]
    | Annotated[HybridPolicy, Tag("hybrid")]
    | Annotated[CustomPolicy, Tag("custom")],
    Discriminator(_policy_kind),
]


class Timetable(Block):
    """When what is started, as cron lines (minute hour day month weekday)."""

    retrain: str | None = None
    """When the retraining policy is asked."""
    monitor: str | None = None
    """When new rows are compared with the champion's."""
    timezone: str = "UTC"
    """An IANA name, for example Europe/Paris."""

    @field_validator("retrain", "monitor")
    @classmethod
    def _is_cron(cls, line: str | None) -> str | None:
        if line is not None:
            from datetime import datetime

            from cronsim import CronSim, CronSimError

            try:
                CronSim(line, datetime(2000, 1, 1))
            except CronSimError:
                raise ValueError(
                    f"'{line}' is not a cron line; five fields are needed, for example \"0 3 * * 1\""
                ) from None
        return line

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, name: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{name}' is not a time zone; use an IANA name such as Europe/Paris") from None
        return name


class Webhook(Block):
    """An HTTP POST with a JSON body."""

    kind: Literal["webhook"]
    url: SecretStr
    """Its address, which may hold a secret: it is never shown; take it from the environment with ${oc.env:NAME}."""
    on: tuple[AlertEvent, ...] = ("stopped", "rejected", "drifted", "crashed", "overdue")
    """What it is told of."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("the address of a webhook begins with http:// or https://")
        return url


class CommandHook(Block):
    """A program that gets the alert as JSON on its standard input."""

    kind: Literal["command"]
    argv: Annotated[tuple[str, ...], Field(min_length=1, repr=False)]
    """The program and its arguments, which may hold a secret and are never shown; started in the recipe's folder,
    without a shell."""
    on: tuple[AlertEvent, ...] = ("stopped", "rejected", "drifted", "crashed", "overdue")
    """What it is told of."""

    @field_serializer("argv", when_used="json")
    def _program_alone(self, argv: tuple[str, ...]) -> list[str]:
        return [argv[0], *("**********" for _ in argv[1:])]


Alert = Annotated[Webhook | CommandHook, Field(discriminator="kind")]
