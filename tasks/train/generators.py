"""Where the random generators stand, so that drawing can go on there: torch's, the device's, NumPy's and Python's."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

TORCH, DEVICE, NUMPY, PYTHON = "torch", "device", "numpy", "python"


@dataclass(frozen=True)
class Drawn:
    """The state of every generator that a training may draw from."""

    tensors: dict[str, torch.Tensor]
    """Generator → its words, on the CPU; `device` only where there is a GPU."""
    numbers: dict[str, list[Any]]
    """Generator → the plain values beside them, as JSON holds them."""


def drawn(device: torch.device) -> Drawn:
    """Where the generators stand now. Reading them costs some microseconds and, on a GPU, no wait.

    A graph's draws count on in the generator of its device as those of single operations do, so they are included.
    """
    _, keys, position, has_gauss, gauss = np.random.get_state()  # a custom network may draw from it
    version, words, spare = random.getstate()
    tensors = {
        TORCH: torch.get_rng_state(),
        NUMPY: torch.from_numpy(np.asarray(keys).astype(np.int64)),
        PYTHON: torch.tensor(words, dtype=torch.int64),
    }
    if device.type == "cuda":
        tensors[DEVICE] = torch.cuda.get_rng_state(device)
    return Drawn(tensors, {NUMPY: [int(position), int(has_gauss), float(gauss)], PYTHON: [version, spare]})


def go_on(state: Drawn, device: torch.device) -> None:
    """Let every generator draw next what it would have drawn after `state` was read."""
    torch.set_rng_state(state.tensors[TORCH])
    if device.type == "cuda" and DEVICE in state.tensors:
        torch.cuda.set_rng_state(state.tensors[DEVICE], device)
    position, has_gauss, gauss = state.numbers[NUMPY]
    np.random.set_state(("MT19937", state.tensors[NUMPY].numpy().astype(np.uint32), position, has_gauss, gauss))
    version, spare = state.numbers[PYTHON]
    random.setstate((version, tuple(state.tensors[PYTHON].tolist()), spare))
