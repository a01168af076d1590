"""One linear layer; images are flattened."""

from __future__ import annotations

import math

import torch
from torch import nn


class Perceptron(nn.Module):
    """A linear map with a bias; float32 [N, *input_shape] → [N, output_size].

    With cross-entropy it is multinomial logistic regression, with the mean squared error linear regression.

    Args:
        input_shape: Shape of one example.
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
    """

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), output_size))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        outputs: torch.Tensor = self.layers(inputs)
        return outputs
