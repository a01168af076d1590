"""A running mean of the weights, steadier than they are from step to step: validated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tasks.train.checkpoints import Weights, snapshot


def update(mean: Weights, network: nn.Module, decay: float, step: int) -> None:
    """Move the mean a step towards the network's weights and buffers, in place (Polyak & Juditsky, 1992).

    Early on the mean keeps less, (1 + step) / (10 + step) at most, so that it does not remember the first weights for
    long. Buffers that are no floating-point numbers, which have no mean, are copied.

    Args:
        mean: Name → tensor, as `snapshot` gives them.
        network: After the optimizer's step.
        decay: Part of the mean that is kept, in (0, 1).
        step: Steps taken before this one, from the training's first epoch on.
    """
    kept = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                mean[name].lerp_(tensor, 1 - kept)
            else:
                mean[name].copy_(tensor)


@contextmanager
def holding(network: nn.Module, mean: Weights) -> Iterator[None]:
    """The network with the mean weights while the block runs, then with its own; unchanged where there is no mean."""
    if not mean:
        yield
        return
    own = snapshot(network)
    network.load_state_dict(mean)
    try:
        yield
    finally:
        network.load_state_dict(own)
