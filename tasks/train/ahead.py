"""Inputs that do not fit into memory: read from the map, one batch ahead of the step that wants them."""

from __future__ import annotations

import mmap
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

KEPT = 256 * 2**20
"""Bytes of the map that may lie in memory at a time, where nothing else is said."""
AROUND = 16 * mmap.PAGESIZE
"""What the kernel maps beside a page that is touched."""


@dataclass(frozen=True)
class _Next:
    start: int
    end: int
    inputs: Future[torch.Tensor]


class Ahead:
    """Batches of `inputs`; while a step works on one, a thread reads the next.

    Which one that is follows from the index itself: a batch is a slice of an epoch's order, and the rows after it in
    that order are the next batch. An index that is no such slice, or a batch of another size, is read when it is asked
    for. Memory stays flat however large the file is: what was read is given back after `kept` bytes.

    Args:
        inputs: [N, *shape], mapped from a file, or any array.
        device: Where the batches are wanted; on their way to a GPU they lie in pinned memory.
        kept: Bytes of the map that may lie in memory at a time.
    """

    def __init__(self, inputs: np.ndarray[Any, Any], device: torch.device, kept: int = KEPT) -> None:
        base: Any = inputs.base
        self._map: mmap.mmap | None = base if isinstance(base, mmap.mmap) else None
        with warnings.catch_warnings():
            # A map cannot be written to, which torch warns of and nothing here does.
            warnings.simplefilter("ignore", UserWarning)
            self._inputs = torch.from_numpy(np.asarray(inputs))
        self._device, self._kept, self._touched = device, kept, 0
        self._row_bytes = inputs.nbytes // max(len(inputs), 1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._seen = self._order = torch.empty(0, dtype=torch.int64)
        self._next: _Next | None = None

    def take(self, index: torch.Tensor) -> torch.Tensor:
        """The rows at `index`, int64 [B], on the device."""
        if self._follow(index):
            start = int(index.storage_offset())
            picked = self._expected(start, start + len(index))
        else:
            picked = self._read(index.cpu())
        return picked.to(self._device, non_blocking=True)

    def _expected(self, start: int, end: int) -> torch.Tensor:
        ready, self._next = self._next, None
        found = ready.inputs if ready is not None and (ready.start, ready.end) == (start, end) else None
        picked = self._read(self._order[start:end]) if found is None else found.result()
        further = min(2 * end - start, len(self._order))
        if further > end:
            self._next = _Next(end, further, self._thread.submit(self._read, self._order[end:further]))
        return picked

    def _follow(self, index: torch.Tensor) -> bool:
        """Whether the index is a slice of an order, whose copy in main memory then is at hand."""
        storage = index.untyped_storage()
        if index.stride() != (1,) or storage.nbytes() == 8 * len(index):
            return False
        if self._seen.untyped_storage().data_ptr() != storage.data_ptr():
            # Held on to, so that its address is not given to another order meanwhile.
            self._seen = torch.empty(0, dtype=torch.int64, device=index.device).set_(storage)
            self._order, self._next = self._seen.cpu(), None
        return True

    def _read(self, index: torch.Tensor) -> torch.Tensor:
        picked = self._inputs.index_select(0, index)
        self._touched += len(index) * (self._row_bytes + AROUND)
        if self._map is not None and self._touched > self._kept and hasattr(mmap, "MADV_DONTNEED"):
            # The pages stay with the operating system as long as it has room, but count as this process's no longer.
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
        return picked.pin_memory() if self._device.type == "cuda" else picked
