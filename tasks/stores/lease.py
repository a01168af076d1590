"""The lease: commands that change one model exclude each other, across processes.

An advisory lock (flock) on one file per model. The kernel lets go of it when its holder ends, also by
kill -9, so a lease is never left behind; the text in the file only says who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import IO

from tasks.core.errors import RequestError
from tasks.core.home import Home


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    pid: int
    purpose: str
    since: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        return f"'{self.purpose}' (process {self.pid}, since {self.since})"


class LeaseTaken(RequestError):
    """Somebody else holds the lease."""

    def __init__(self, model: str, holder: Holder) -> None:
        remedy = "Wait for it to end, or leave out --no-wait."
        super().__init__(f"{model} is being changed by {holder}.", remedy=remedy, code="lease")
        self.holder = holder


@contextmanager
def hold(
    home: Home, model: str, purpose: str, *, wait: bool = True, on_wait: Callable[[Holder], None] | None = None
) -> Iterator[None]:
    """Hold the lease of `model` for the length of a with block.

    `purpose` is shown to whoever has to wait; `on_wait` is told once who holds the lease.

    Raises:
        LeaseTaken: somebody else holds it and `wait` is false.
    """
    path = home.lease(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as stream:
        if not _locked(stream):
            holder = _holder(stream)
            if not wait:
                raise LeaseTaken(model, holder)
            if on_wait is not None:
                on_wait(holder)
            fcntl.flock(stream, fcntl.LOCK_EX)
        _sign(stream, Holder(os.getpid(), purpose, datetime.now(UTC).isoformat(timespec="seconds")))
        try:
            yield
        finally:
            _sign(stream, None)


def _locked(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(stream: IO[str], holder: Holder | None) -> None:
    stream.seek(0)
    stream.truncate()
    if holder is not None:
        stream.write(json.dumps(asdict(holder)))
    stream.flush()


def _holder(stream: IO[str]) -> Holder:
    stream.seek(0)
    try:
        return Holder(**json.loads(stream.read()))
    except (ValueError, TypeError):  # it has only just taken the lease, and not signed yet
        return Holder(0, "another command", "a moment ago")
