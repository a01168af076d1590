"""Dense autoencoder: a row through a few numbers and back; images are flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .activations import activation as activated


class Autoencoder(nn.Module):
    """Linear layers down to the latent features and up again; float32 [N, *input_shape] → [N, inputs].

    Latent features and outputs are linear, so without hidden layers it spans what principal components span (Baldi &
    Hornik, 1989).

    Args:
        input_shape: Shape of one example; `inputs` is the product.
        hidden: Width of each layer on the way down; the way up has the same in reverse.
        latent: Latent features.
        activation: Name of what follows each hidden layer (`tasks/models/activations.py`).

    Raises:
        ValueError: there is no such activation.
    """

    def __init__(
        self, input_shape: tuple[int, ...], hidden: Sequence[int] = (64,), latent: int = 8, activation: str = "relu"
    ) -> None:
        super().__init__()
        inputs = math.prod(input_shape)
        self.encoder = nn.Sequential(nn.Flatten(), *_layers((inputs, *hidden, latent), activation))
        self.decoder = nn.Sequential(*_layers((latent, *reversed(hidden), inputs), activation))

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """The latent features, [N, latent]."""
        latent: torch.Tensor = self.encoder(inputs)
        return latent

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The reconstruction, [N, inputs], in the order of the flattened inputs."""
        outputs: torch.Tensor = self.decoder(self.encode(inputs))
        return outputs


def _layers(widths: Sequence[int], activation: str) -> list[nn.Module]:
    """A linear layer from each width to the next, with an activation between two of them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activated(activation)]
    return layers[:-1]
