"""Which form the steps of a training take: measured, not believed, and kept until the training is over.

A graph wins where kernels are short, a compiler where memory is the limit, and on a CPU neither is worth its warm-up
for trainings of seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tasks.train.steps import WARM_UP, Form, Parts, Step, compiled, eager, graphed
from tasks.train.undo import undone

Choose = Callable[[Parts, int, int, Form | None], tuple[Form, Step]]
"""What a training works with, rows of a step, steps to come, form it began in or None → how they are carried out."""

TRIED = 20
"""Steps by which forms are compared."""
COMPILE_AFTER = 120.0
"""Seconds that the steps of a training must be going to take for a compiler to be tried; it takes about ten itself."""


def choose(parts: Parts, size: int, count: int, begun: Form | None = None) -> tuple[Form, Step]:
    """The form that is fastest here for the `count` steps of `size` rows that are to come, and its step.

    On a CPU, and for rows that do not lie on the device, that is the eager one: no other wins back its warm-up. A
    training that goes on after a crash takes the form that it began in (`begun`), where that can still be had: forms
    add up in another order, so their last bits differ.
    """
    plain = eager(parts)
    if not parts.recordable or size > len(parts.rows) or begun == "eager":
        return "eager", plain
    parts.network.train()
    makers: dict[Form, Callable[[], Step]] = {
        "graphed": lambda: graphed(parts, size),
        "compiled": lambda: compiled(parts, size),
    }
    if begun is not None:
        again = _made(begun, makers[begun])
        return (begun, again[begun]) if again else ("eager", plain)
    forms: dict[Form, Step] = {"eager": plain, **_made("graphed", makers["graphed"])}
    index = torch.arange(size, device=parts.rows.device)
    chosen, seconds = fastest(forms, index, parts)
    if seconds[chosen] * count > COMPILE_AFTER:
        forms |= _made("compiled", makers["compiled"])
        chosen, seconds = fastest(forms, index, parts)
    told = ", ".join(f"{form} {1e6 * taken:.0f} µs" for form, taken in seconds.items())
    logging.getLogger(__name__).info("steps are %s: %s", chosen, told)
    return chosen, forms[chosen]


def _made(form: Form, make: Callable[[], Step]) -> dict[Form, Step]:
    """A form under its name; nothing where the network, a custom one perhaps, cannot be had in it."""
    try:
        return {form: make()}
    except Exception as error:  # noqa: BLE001 - compilers and recorders raise what they like; the eager form is always there
        logging.getLogger(__name__).info("steps cannot be %s: %s", form, type(error).__name__)
        return {}


def fastest(forms: Mapping[Form, Step], index: torch.Tensor, parts: Parts) -> tuple[Form, dict[Form, float]]:
    """The form whose steps take least time here and now, and the seconds of a step of each; undoes what it trains.

    Args:
        forms: Those that can be had, ready to step.
        index: Positions of the rows of one batch.
        parts: What the forms work with.
    """
    seconds: dict[Form, float] = {}
    with undone(parts.network, parts.optimizer, parts.rows.device):
        for form, step in forms.items():
            for _ in range(WARM_UP):
                step(index, 0.0)
            seconds[form] = _timed(lambda step=step: step(index, 0.0), parts.rows.device)  # type: ignore[misc]
    return min(seconds, key=lambda form: seconds[form]), seconds


def _timed(work: Callable[[], Any], device: torch.device) -> float:
    """Median seconds of one call, the device's work included."""
    taken = []
    for _ in range(TRIED):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]
