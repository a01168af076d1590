"""What a training adds to its loss to keep weights small or few; L2 is the optimizer's weight decay."""

from __future__ import annotations

import torch
from torch import nn


def l1(network: nn.Module) -> torch.Tensor:
    """Sum of the absolute trained weights, a scalar; at 0 its slope is 0, so that a weight can stay there.

    Weights are parameters of two dimensions or more. Biases, and scales and shifts of norms, are left out: they
    need few rows to be found and, driven to 0, leave out no input (Goodfellow et al., 2016, section 7.1).
    """
    sizes = [weight.abs().sum() for weight in network.parameters() if weight.requires_grad and weight.dim() > 1]
    return torch.stack(sizes).sum() if sizes else torch.zeros((), requires_grad=True)
