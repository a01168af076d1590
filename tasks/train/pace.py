"""When a checkpoint is due: after some seconds, and never so often that saving takes much of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 20
"""Between two checkpoints at least so many times what the last one took."""


class Pace:
    """Says when to save, and when the time is up, by one comparison per step.

    Args:
        seconds: Least time between two checkpoints; 0 saves at every occasion, however long it takes.
        deadline: When the training has to end, by `time.monotonic`.
    """

    def __init__(self, seconds: float, deadline: float) -> None:
        self._seconds = seconds
        self._deadline = deadline
        self._save = time.monotonic() + seconds
        self.due = min(self._save, deadline)
        """The next moment at which there is something to do, by `time.monotonic`."""

    @property
    def saves(self) -> bool:
        """Whether a checkpoint is due."""
        return time.monotonic() >= self._save

    @property
    def is_over(self) -> bool:
        """Whether the training has to end."""
        return time.monotonic() > self._deadline

    @contextmanager
    def saving(self) -> Iterator[None]:
        """What runs within is the saving; sets when the next is due."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._save = ended + (max(self._seconds, SHARE * (ended - began)) if self._seconds else 0.0)
        self.due = min(self._save, self._deadline)
