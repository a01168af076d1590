"""The losses of an epoch's steps, kept where they are computed until somebody reads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_JOINED = 1024
"""Losses that are put into one tensor together, so that an epoch of many steps holds few small ones."""


class Losses:
    """The mean loss of each step so far; adding one makes nothing wait, reading them waits once.

    Args:
        known: float32 [steps] of an interrupted epoch; none: it has just begun.
    """

    def __init__(self, known: torch.Tensor | None = None) -> None:
        self._joined = [] if known is None else [known]
        self._fresh: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor) -> None:
        """The loss of the next step, a detached scalar that nothing overwrites."""
        self._fresh.append(loss)
        if len(self._fresh) == _JOINED:
            self._join()

    def read(self) -> torch.Tensor:
        """All of them: float32 [steps] on the CPU."""
        self._join()
        found = torch.cat([part.cpu() for part in self._joined]) if self._joined else torch.zeros(0)
        self._joined = [found] if len(found) else []
        return found

    def _join(self) -> None:
        if self._fresh:
            self._joined.append(torch.stack(self._fresh).float())
            self._fresh = []


def mean(losses: torch.Tensor, rows: Sequence[int]) -> float:
    """Mean loss of a row, by the losses [steps] of steps of so many `rows` each; not finite where one of them is not.

    Raises:
        ValueError: there is no step.
    """
    if not len(losses):
        raise ValueError("there is no step to take the mean of")
    counts = torch.tensor(rows, dtype=torch.float64)
    return float((losses.double() * counts).sum() / counts.sum())
