"""Randomness under control: one seed for every generator, and deterministic algorithms."""

from __future__ import annotations

import hashlib
import random


def derive(seed: int, *parts: int | str) -> int:
    """A seed for one part of the work: the same for the same arguments, unrelated for others.

    Returns:
        An integer in [0, 2**63), as torch takes it.
    """
    text = ":".join([str(seed), *(str(part) for part in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and make torch choose deterministic algorithms.

    On a CPU the same seed then gives the same bits, given the same number of threads, which is left as
    it is. An operation without a deterministic version (some exist on GPUs) warns and runs all the same.
    """
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # a custom model may draw from NumPy's global generator
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every fresh tensor with NaN costs time and changes nothing in code that writes before it reads.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
