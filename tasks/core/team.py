"""Which of several processes that work on one training this is."""

from __future__ import annotations

import os
from dataclasses import dataclass

TORCHRUN = "TORCHELASTIC_RUN_ID"
"""What torchrun sets in the processes it starts, and nothing else does."""


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    rank: int
    """0 is the one that leads: the only one that decides, writes and tells."""
    size: int


def under_torchrun() -> Team | None:
    """This process's place among those that torchrun started; None where it did not, or started one alone."""
    if TORCHRUN not in os.environ or os.environ["WORLD_SIZE"] == "1":
        return None
    return Team(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
