"""What is told about a running training: a share and a line for people, rows for the tracking store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from tasks.train.checkpoints import Progress

Row = dict[str, Any]


def announce(epochs: int, tell: Callable[[float, str], None], every: float = 0.5) -> Callable[[Progress], None]:
    """Tell share and one line of text: after the first epoch, the last, and between them every `every` seconds."""
    told: list[float] = []

    def after_epoch(progress: Progress) -> None:
        now = time.monotonic()
        if progress.stopped or not told or now - told[-1] >= every:
            tell(1.0 if progress.stopped else progress.epoch / epochs, line(progress))
            told.append(now)

    return after_epoch


def line(progress: Progress) -> str:
    """The last epoch in one line."""
    row = progress.history[-1]
    parts = [f"epoch {row['epoch']}"]
    parts += [f"{name.replace('_', ' ')} {_shown(row[name])}" for name in ("train_loss", "validation_loss")]
    parts += [f"{name} {_shown(value)}" for name, value in row["metrics"].items()]
    return ", ".join(parts)


class HistoryLog:
    """Hands new history rows on, all that have gathered at once, at most every `every` seconds.

    Args:
        log: Takes rows; may be given a row twice over several attempts, and then has to leave it out.
        every: Seconds.
    """

    def __init__(self, log: Callable[[Sequence[Row]], None], every: float = 2.0) -> None:
        self._log = log
        self._every = every
        self._last = time.monotonic()
        self._handed = 0

    def __call__(self, progress: Progress) -> None:
        """After each epoch."""
        if time.monotonic() - self._last >= self._every:
            self.flush(progress)

    def flush(self, progress: Progress) -> None:
        """Hand on what is left."""
        rows = progress.history[self._handed :]
        if rows:
            self._log(rows)
        self._handed = len(progress.history)
        self._last = time.monotonic()


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
