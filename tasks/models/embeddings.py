"""Numbers spread out into several, so that a network can bend where a single number is a straight line.

Shapes: N rows, F inputs, K frequencies, E numbers per input.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class Periodic(nn.Module):
    """Sines and cosines of each input at learned frequencies; [N, F] → [N, F, 2K].

    sin(2π c x) and cos(2π c x) with c drawn from a normal distribution (Gorishniy, Rubachev and Babenko,
    "On Embeddings for Numerical Features in Tabular Deep Learning", 2022, section 3.3).

    Args:
        features: F.
        frequencies: K.
        scale: Standard deviation of the first frequencies; the inputs are taken as scaled.
    """

    def __init__(self, features: int, frequencies: int, scale: float) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(features, frequencies) * scale)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """First the K sines of an input, then its K cosines."""
        # In float32 also under autocast: an angle of some turns has no fraction left in bfloat16.
        angles = 2 * math.pi * self.frequencies.float() * inputs.float().unsqueeze(-1)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PerInput(nn.Module):
    """A linear layer and a ReLU of its own for each input; [N, F, D] → [N, F, E].

    Args:
        features: F.
        size_in: D.
        size_out: E.
    """

    def __init__(self, features: int, size_in: int, size_out: int) -> None:
        super().__init__()
        # As torch's own linear layer begins: uniform within one over the root of the number of inputs.
        bound = size_in**-0.5
        self.weight = nn.Parameter(torch.empty(features, size_in, size_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, size_out).uniform_(-bound, bound))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Each input through its own layer."""
        return torch.relu(torch.einsum("nfd,fde->nfe", inputs, self.weight) + self.bias)


def embedding(kind: str, features: int, frequencies: int, scale: float, size: int) -> tuple[nn.Module, int]:
    """A module [N, F] → [N, W], and W.

    Args:
        kind: "none" (W = F), "periodic" (W = 2 F K) or "plr" (periodic, linear, ReLU; W = F E).
        features: F.
        frequencies: K.
        scale: Of the first frequencies.
        size: E.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "none":
        return nn.Identity(), features
    if kind == "periodic":
        return nn.Sequential(Periodic(features, frequencies, scale), nn.Flatten()), features * 2 * frequencies
    if kind == "plr":
        own = PerInput(features, 2 * frequencies, size)
        return nn.Sequential(Periodic(features, frequencies, scale), own, nn.Flatten()), features * size
    raise ValueError(f"there is no embedding '{kind}'; choose one of none, periodic, plr")
