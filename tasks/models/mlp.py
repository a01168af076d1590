"""Multi-layer perceptron for flat inputs; images are flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from .activations import activation as activated


class Mlp(nn.Module):
    """Linear layers with an activation and dropout between them; float32 [N, *input_shape] → [N, output_size].

    Args:
        input_shape: Shape of one example.
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        hidden: Width of each hidden layer; empty gives a linear model.
        activation: Name of what follows each hidden layer (`tasks/models/activations.py`).
        dropout: Share of hidden units dropped in training, in [0, 1).
        batch_norm: Whether each hidden layer is batch-normalised, before the activation.

    Raises:
        ValueError: there is no such activation.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        hidden: Sequence[int] = (64, 64),
        dropout: float = 0.1,
        batch_norm: bool = False,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = math.prod(input_shape)
        for units in hidden:
            # The bias would be taken away again by the normalisation's mean.
            layers.append(nn.Linear(width, units, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(units))
            layers += [activated(activation), nn.Dropout(dropout)]
            width = units
        layers.append(nn.Linear(width, output_size))
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        outputs: torch.Tensor = self.layers(inputs)
        return outputs
