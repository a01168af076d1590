"""Learning-rate schedules as pure functions of the step, or of the losses so far: a resumed training needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tasks.optim import SCHEDULE_KINDS, find

if TYPE_CHECKING:
    from tasks.core.training import Schedule

Factor = Callable[[int, int], float]
"""(step from 0, number of steps) → factor of the recipe's learning rate."""

_ROUNDING = 1e-9


def build(settings: Schedule, losses: Sequence[float | None] = ()) -> Factor:
    """The schedule a recipe's `training.schedule` describes, for one epoch.

    Args:
        settings: The block.
        losses: Validation losses of the epochs before this one, None where not finite; `plateau` looks at them.
    """
    function = find(SCHEDULE_KINDS[settings.kind])
    options = settings.model_dump(exclude={"kind"})
    if settings.kind == "plateau":
        level: float = function(losses, **options)
        return lambda step, steps: level
    return partial(function, **options)


def constant(step: int, steps: int) -> float:
    """1 at every step."""
    return 1.0


def cosine(step: int, steps: int, *, floor: float = 0.0, warmup: float = 0.0) -> float:
    """Half a cosine from 1 towards `floor` at step `steps` (Loshchilov & Hutter, 2017, without restarts).

    Over the first `warmup` · `steps` steps the factor rises evenly to 1 (Goyal et al., 2017); the cosine starts then.
    """
    rise = warmup * steps
    if step < rise:
        return min((step + 1) / rise, 1.0)
    share = min((step - rise) / max(steps - rise, 1), 1.0)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * share))


def step(step: int, steps: int, *, every: float, factor: float) -> float:
    """`factor` to the power of how often `every` · `steps` steps have passed."""
    share = min(step / max(steps, 1), 1.0)
    # 0.3 / 0.1 is a little less than 3.
    falls: int = math.floor(share / every + _ROUNDING)
    return factor**falls


def one_cycle(step: int, steps: int, *, warmup: float, start: float, floor: float) -> float:
    """Half a cosine from `start` up to 1 over `warmup` of the steps, half a cosine down to `floor` at the last.

    Smith & Topin (2018), with the cosines of torch's OneCycleLR; the momentum is left alone.
    """
    peak = max(warmup * steps - 1, 0.0)
    if step < peak:
        return _between(start, 1.0, step / peak)
    fall = steps - 1 - peak
    return _between(1.0, floor, min((step - peak) / fall, 1.0) if fall > 0 else 0.0)


def plateau(losses: Sequence[float | None], *, patience: int, factor: float, floor: float) -> float:
    """`factor` once for every `patience` epochs in a row without a new lowest loss, and never below `floor`.

    Args:
        losses: Validation losses from the first epoch on; None, which was not finite, is no improvement.
        patience: Epochs, at least 1; counted anew after a fall.
        factor: What the learning rate is multiplied by.
        floor: Smallest product of factors.
    """
    level, lowest, waited = 1.0, math.inf, 0
    for loss in losses:
        lowest, waited = (loss, 0) if loss is not None and loss < lowest else (lowest, waited + 1)
        if waited == patience:
            level, waited = max(level * factor, floor), 0
    return level


def _between(first: float, last: float, share: float) -> float:
    """Along half a cosine from `first` at share 0 to `last` at share 1."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * share))
