"""Where a training is computed, in which precision, and how much memory is free there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from tasks.core.errors import RequestError

SMALL_STEP = 16 * 2**20
"""Bytes of activations below which a training step is computed by one thread."""

_CGROUP = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def choose(requested: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device of the recipe's `training.device`; `auto` prefers a GPU.

    Raises:
        RequestError: a GPU is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if requested == "cuda" and not available:
        raise RequestError(
            "training.device is cuda, and torch finds no CUDA device.", remedy="Set training.device=auto or cpu."
        )
    return torch.device("cuda" if available and requested != "cpu" else "cpu")


def autocast_type(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype | None:
    """The type that autocast computes in; None is float32 throughout."""
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    return torch.bfloat16 if precision == "bfloat16" else None


@contextlib.contextmanager
def threads_for(device: torch.device, step_bytes: int) -> Iterator[None]:
    """One CPU thread while small steps are computed; the number torch has, otherwise.

    On a busy machine the threads of a small step spend their time waiting for each other: with two of them
    on two shared cores a step of a 30-64-2 network took 2.5 to 10 ms, and 0.35 ms with one (measured). The
    choice depends on the step alone, so that a resumed training adds up in the same order.

    Args:
        device: Where is computed; a GPU's steps do not depend on these threads.
        step_bytes: Memory of the activations of one step.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and step_bytes < SMALL_STEP:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be had: of the GPU, or of main memory within this process's cgroup."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min([_main_memory(), *_cgroup_rest()])


def _main_memory() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_rest() -> list[int]:
    rest = []
    for limit, usage in _CGROUP:
        try:
            allowed = Path("/sys/fs/cgroup", limit).read_text().strip()
            used = int(Path("/sys/fs/cgroup", usage).read_text())
        except (OSError, ValueError):  # no cgroup of this version here
            continue
        if allowed != "max":
            rest.append(max(int(allowed) - used, 0))
    return rest
