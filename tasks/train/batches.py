"""Rows of a split as tensors: on the device when they fit, else read batch by batch from the memory map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.core.seeds import derive
from tasks.train.ahead import KEPT, Ahead
from tasks.train.device import free_bytes

RESIDENT_SHARE = 0.5
"""Part of the free memory that the rows may take to be kept on the device."""


@dataclass(frozen=True)
class Rows:
    """One split. `inputs` is float32 [N, *shape], a tensor on `device` or a memory map; `targets` is on `device`."""

    inputs: torch.Tensor | np.ndarray[Any, Any]
    targets: torch.Tensor
    device: torch.device
    kept: int = KEPT
    """Bytes of a memory map that may lie in memory at a time."""
    reproduced: bool = False
    """Whether the inputs themselves are what a network shall give back, in place of `targets`."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows at `index`, int64 [B] on the device: inputs, and what is wanted of them."""
        if isinstance(self.inputs, torch.Tensor):
            inputs = laid_out(self.inputs.index_select(0, index))
        else:
            inputs = laid_out(self._ahead.take(index))
        return inputs, inputs if self.reproduced else self.targets.index_select(0, index)

    @cached_property
    def _ahead(self) -> Ahead:
        assert isinstance(self.inputs, np.ndarray)
        return Ahead(self.inputs, self.device, self.kept)


def load(folder: Path, split: str, device: torch.device, free: int | None = None, *, reproduced: bool = False) -> Rows:
    """The rows that `prepare` wrote for a split.

    Args:
        folder: Where they lie.
        split: `train`, `validation` or `test`.
        device: Where they are wanted.
        free: Bytes that can be had there; none: as many as there are now.
        reproduced: Whether their inputs are what is wanted of them.
    """
    mapped = np.load(folder / f"{split}_inputs.npy", mmap_mode="r")
    targets = torch.from_numpy(np.load(folder / f"{split}_targets.npy")).to(device)
    if mapped.nbytes > RESIDENT_SHARE * (free_bytes(device) if free is None else free):
        host = free_bytes(torch.device("cpu")) if free is None else free
        return Rows(mapped, targets, device, int(RESIDENT_SHARE * host), reproduced)
    return Rows(torch.from_numpy(np.array(mapped)).to(device), targets, device, reproduced=reproduced)


def shuffled(rows: int, seed: int, epoch: int, device: torch.device) -> torch.Tensor:
    """A permutation of `rows` rows, int64 [rows]: a pure function of seed and epoch, equal on every device."""
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(rows, generator=generator).to(device)


def bounds(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and end of each batch; a last batch of one row, which has no variance, joins the batch before."""
    starts = list(range(0, rows, batch_size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], rows], strict=True))


def groups(batches: Sequence[tuple[int, int]], size: int) -> list[Sequence[tuple[int, int]]]:
    """Batches that make one step together: `size` of them, and at the end those that are left."""
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def batches(rows: Rows, batch_size: int, order: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs [B, *shape] and targets [B] of each batch, in the order given."""
    for start, end in bounds(len(order), batch_size):
        yield rows.take(order[start:end])


def laid_out(inputs: torch.Tensor) -> torch.Tensor:
    """Inputs in the memory layout that the network's operations want."""
    # Convolutions are a third faster on channels-last images (measured on a CPU; GPUs prefer it too).
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs
