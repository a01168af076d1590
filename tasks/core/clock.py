"""What time it is: the wall clock, or the time a simulation has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_SET: ContextVar[datetime | None] = ContextVar("time", default=None)


def now() -> datetime:
    """The time in UTC."""
    return _SET.get() or datetime.now(UTC)


@contextmanager
def at(time: datetime) -> Iterator[None]:
    """Let `now` say `time` inside a `with` block: a simulated year does not sleep."""
    token = _SET.set(time)
    try:
        yield
    finally:
        _SET.reset(token)
