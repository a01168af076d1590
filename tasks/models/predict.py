"""Raw outputs of a network, in batches: the one forward pass of evaluation, batch scoring and serving."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


def forward(
    network: nn.Module, inputs: np.ndarray[Any, Any], device: str | torch.device = "cpu", batch_size: int = 1024
) -> np.ndarray[Any, Any]:
    """Outputs of `network` in evaluation mode.

    Args:
        network: Moved to `device`; its training mode is what it was before, afterwards.
        inputs: float32 [N, *input_shape]; may be memory-mapped, one batch is read at a time.
        device: Where it is computed, in float32.
        batch_size: Rows per forward pass; bounds the memory.

    Returns:
        float32 [N, output_size]; [0, output_size] cannot be known for no rows and is [0, 0].
    """
    was_training = network.training
    network.to(device).eval()
    batches = []
    try:
        with torch.inference_mode():
            for start in range(0, len(inputs), batch_size):
                # A copy: torch warns about memory that it must not write to, as memory maps are.
                batch = torch.from_numpy(np.array(inputs[start : start + batch_size], dtype=np.float32))
                batches.append(network(batch.to(device)).float().cpu().numpy())
    finally:
        network.train(was_training)
    return np.concatenate(batches) if batches else np.zeros((0, 0), dtype=np.float32)
