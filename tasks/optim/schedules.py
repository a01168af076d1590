"""Learning-rate schedules as pure functions of the step, so that a resumed training needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tasks.optim import SCHEDULE_KINDS, find

if TYPE_CHECKING:
    from tasks.core.training import Schedule

Factor = Callable[[int, int], float]
"""(step from 0, number of steps) → factor of the recipe's learning rate."""


def build(settings: Schedule) -> Factor:
    """The schedule a recipe's `training.schedule` describes."""
    function: Factor = find(SCHEDULE_KINDS[settings.kind])
    return partial(function, **settings.model_dump(exclude={"kind"}))


def constant(step: int, steps: int) -> float:
    """1 at every step."""
    return 1.0


def cosine(step: int, steps: int, *, floor: float = 0.0) -> float:
    """Half a cosine from 1 at step 0 towards `floor` at step `steps` (Loshchilov & Hutter, 2017, without restarts)."""
    share = min(step / max(steps, 1), 1.0)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * share))
