"""Which form the steps of a training take: measured, not believed, and kept until the training is over.

A graph wins where kernels are short, a compiler where memory is the limit. On a CPU a compiler wins a third where
layers are small and nothing where they are large, and takes half a minute or more: it is tried in trainings of minutes.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tasks.train.batches import bounds
from tasks.train.steps import WARM_UP, Form, Parts, Step, compiled, eager, graphed
from tasks.train.undo import undone

Choose = Callable[[Parts, int, int, Form | None], tuple[Form, Step]]
"""What a training works with, rows of a step, steps to come, form it began in or None → how they are carried out."""

TRIED = 20
"""Steps by which forms are compared."""
COMPILE_AFTER = 120.0
"""Seconds that the steps of a training must be going to take for a compiler to be tried; it takes ten or more."""
LARGE_STEP = 0.02
"""Seconds of a step on a CPU from which on no compiler is tried: convolutions fill such a step, and those it takes as
they are. A step of 37 ms became one of 63 ms in bfloat16 (measured), after 20 s of compiling."""


def choose(parts: Parts, size: int, count: int, begun: Form | None = None) -> tuple[Form, Step]:
    """The form that is fastest here for the `count` steps of `size` rows that are to come, and its step.

    A training that goes on after a crash takes the form that it began in (`begun`), where that can still be had: forms
    add up in another order, so their last bits differ.
    """
    plain, makers = eager(parts), _makers(parts, size)
    parts.network.train()
    if begun is not None:
        again = _made(begun, makers[begun]) if begun in makers else {}
        return (begun, again[begun]) if again else ("eager", plain)
    index = torch.arange(min(size, len(parts.rows)), device=parts.rows.device)
    forms: dict[Form, Step] = {"eager": plain}
    if "graphed" in makers:
        forms |= _made("graphed", makers["graphed"])
    # On a CPU it is the seconds of steps that are wanted, at a thousandth of the training's own cost.
    tried = TRIED if "graphed" in makers else min(TRIED, count // 1000)
    if not makers or tried == 0:
        return "eager", plain
    chosen, seconds = fastest(forms, index, parts, tried)
    small = parts.rows.device.type != "cpu" or seconds[chosen] < LARGE_STEP
    if small and seconds[chosen] * count > COMPILE_AFTER:
        forms |= _made("compiled", makers["compiled"])
        chosen, seconds = fastest(forms, index, parts)
    told = ", ".join(f"{form} {1e6 * taken:.0f} µs" for form, taken in seconds.items())
    logging.getLogger(__name__).info("steps are %s: %s", chosen, told)
    return chosen, forms[chosen]


def _makers(parts: Parts, size: int) -> dict[Form, Callable[[], Step]]:
    """What makes the forms that can be had beside the eager one."""
    if size > len(parts.rows):
        return {}
    compiling: dict[Form, Callable[[], Step]] = {"compiled": lambda: compiled(parts, size)}
    if parts.recordable:
        return {"graphed": lambda: graphed(parts, size), **compiling}
    one_batch = len(bounds(size, parts.batch_size)) == 1
    return compiling if parts.rows.device.type == "cpu" and one_batch and _has_compiler() else {}


def _has_compiler() -> bool:
    """Whether there is a C++ compiler, which torch needs to compile for a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX"), "g++", "clang++") if name)


def _made(form: Form, make: Callable[[], Step]) -> dict[Form, Step]:
    """A form under its name; nothing where the network, a custom one perhaps, cannot be had in it."""
    try:
        return {form: make()}
    except Exception as error:  # noqa: BLE001 - compilers and recorders raise what they like; the eager form is always there
        logging.getLogger(__name__).info("steps cannot be %s: %s", form, type(error).__name__)
        return {}


def fastest(
    forms: Mapping[Form, Step], index: torch.Tensor, parts: Parts, tried: int = TRIED
) -> tuple[Form, dict[Form, float]]:
    """The form whose steps take least time here and now, and the seconds of a step of each; undoes what it trains.

    Args:
        forms: Those that can be had, ready to step.
        index: Positions of the rows of one batch.
        parts: What the forms work with.
        tried: Steps of each that are timed.
    """
    seconds: dict[Form, float] = {}
    with undone(parts.network, parts.optimizer, parts.rows.device):
        for form, step in forms.items():
            for _ in range(min(WARM_UP, tried)):
                step(index, 0.0)
            seconds[form] = _timed(lambda step=step: step(index, 0.0), parts.rows.device, tried)  # type: ignore[misc]
    return min(seconds, key=lambda form: seconds[form]), seconds


def _timed(work: Callable[[], Any], device: torch.device, tried: int) -> float:
    """Median seconds of one call, the device's work included."""
    taken = []
    for _ in range(tried):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]
