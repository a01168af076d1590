"""Dense autoencoder: a row through a few numbers and back; images are flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from .activations import activation as activated
from .encoding import EncoderDecoder


class Autoencoder(EncoderDecoder):
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


def _layers(widths: Sequence[int], activation: str) -> list[nn.Module]:
    """A linear layer from each width to the next, with an activation between two of them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activated(activation)]
    return layers[:-1]
