"""What is told about a running training, and to whom: protocols, lines for people, rows for the tracking store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from tasks.train.checkpoints import Progress

Row = dict[str, Any]


@runtime_checkable
class OnEpoch(Protocol):
    """Is told of every epoch that is done, in evaluation mode, before a checkpoint of it is written."""

    def on_epoch(self, progress: Progress, network: nn.Module) -> Any:
        """`progress.history[-1]` is the epoch's row. True ends the training; any other answer is ignored."""
        ...


@runtime_checkable
class OnCheckpoint(Protocol):
    """Is told of every checkpoint within an epoch, which is about once a second."""

    def on_checkpoint(self, progress: Progress, steps: int) -> Any:
        """`progress.step` of so many `steps` of the epoch are done."""
        ...


@runtime_checkable
class OnEnd(Protocol):
    """Is told when a training has ended by itself, and not when it was killed."""

    def on_end(self, progress: Progress, network: nn.Module) -> Any:
        """`progress.stopped` says why; the network holds the best weights."""
        ...


Callback = OnEpoch | OnCheckpoint | OnEnd | Callable[[Progress], Any]
"""Any of them, or several in one object; a plain function is called with the progress after each epoch."""


def after_epoch(callbacks: Iterable[Callback], progress: Progress, network: nn.Module) -> None:
    """Tell all of them, in their order; where one wants the training to end, those after it hear of that."""
    for callback in callbacks:
        if _told(callback, progress, network) is True and progress.stopped is None:
            progress.stopped = "callback"


def at_checkpoint(callbacks: Iterable[Callback], progress: Progress, steps: int) -> None:
    """Tell those who listen within an epoch."""
    for callback in callbacks:
        if isinstance(callback, OnCheckpoint):
            callback.on_checkpoint(progress, steps)


def at_end(callbacks: Iterable[Callback], progress: Progress, network: nn.Module) -> None:
    """Tell those who wait for the end."""
    for callback in callbacks:
        if isinstance(callback, OnEnd):
            callback.on_end(progress, network)


def _told(callback: Callback, progress: Progress, network: nn.Module) -> Any:
    if isinstance(callback, OnEpoch):
        return callback.on_epoch(progress, network)
    return callback(progress) if callable(callback) else None


class Announce:
    """Tells people how far a training has come: a share and one line, with the time that it takes at most.

    After the first epoch and the last, and between them, within long epochs as well, every `every` seconds.

    Args:
        epochs: At most so many.
        tell: Takes share in [0, 1] and line.
        every: Seconds.
    """

    def __init__(self, epochs: int, tell: Callable[[float, str], None], every: float = 0.5) -> None:
        self._epochs, self._tell, self._every = epochs, tell, every
        self._told: float | None = None

    def on_epoch(self, progress: Progress, network: nn.Module) -> None:
        """The line of the epoch, where it is time for one."""
        if progress.stopped:
            self._say(1.0, line(progress))
        elif self._is_time():
            left = progress.seconds / progress.epoch * (self._epochs - progress.epoch)
            self._say(progress.epoch / self._epochs, f"{line(progress)}, {lasting(left)} left at most")

    def on_checkpoint(self, progress: Progress, steps: int) -> None:
        """How much of the epoch is done."""
        if not self._is_time():
            return
        done = progress.epoch + progress.step / steps
        left = (progress.seconds + progress.under_way) / done * (self._epochs - done)
        text = f"epoch {progress.epoch + 1}, {progress.step / steps:.0%} of it, {lasting(left)} left at most"
        self._say(done / self._epochs, text)

    def _is_time(self) -> bool:
        return self._told is None or time.monotonic() - self._told >= self._every

    def _say(self, share: float, text: str) -> None:
        self._tell(share, text)
        self._told = time.monotonic()


def line(progress: Progress) -> str:
    """The last epoch in one line."""
    row = progress.history[-1]
    parts = [f"epoch {row['epoch']}"]
    parts += [f"{name.replace('_', ' ')} {_shown(row[name])}" for name in ("train_loss", "validation_loss")]
    parts += [f"{name} {_shown(value)}" for name, value in row["metrics"].items()]
    return ", ".join(parts)


def lasting(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def curves(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the history under names that say what they are beside the final `validation_…` and `test_…`."""
    values = {name: value for name, value in row.items() if name not in ("metrics", "statistics")}
    values |= {f"epoch_{name}": value for name, value in row.get("metrics", {}).items()}
    return values | {f"statistics/{name}": value for name, value in row.get("statistics", {}).items()}


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

    def on_epoch(self, progress: Progress, network: nn.Module) -> None:
        """Hand on what has gathered, where it is time."""
        if time.monotonic() - self._last >= self._every:
            self.flush(progress)

    def on_end(self, progress: Progress, network: nn.Module) -> None:
        """Hand on what is left."""
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
