"""The step at which a loss stopped being finite, and the rows that were in it: kept for whoever looks for the cause.

Nothing looks at a loss while it is made. Those of an epoch are read when a checkpoint is written and at its end; the
first one that is not finite names its step, and the order of the rows, a function of seed and epoch, names the rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from tasks.core.home import write_atomically

FILE = "not_finite.json"


def first(losses: torch.Tensor) -> int | None:
    """Which step, counted from 1, of those with `losses` [steps] is the first without a finite one; None: none is."""
    bad = torch.nonzero(~losses.isfinite())
    return int(bad[0]) + 1 if len(bad) else None


def updated_by(network: nn.Module, steps: int) -> int | None:
    """The last of so many steps, where it left weights or buffers that are not finite though its loss was."""
    kinds = (value for value in network.state_dict().values() if value.is_floating_point())
    return steps if any(not bool(value.isfinite().all()) for value in kinds) else None


def keep(folder: Path, place: dict[str, int | None], rows: Sequence[str]) -> Path:
    """Write where it happened and the ids of the rows, which are hashes, beside the checkpoints; gives the file."""
    path = folder / FILE
    write_atomically(path, json.dumps({**place, "rows": list(rows)}, indent=1) + "\n")
    return path
