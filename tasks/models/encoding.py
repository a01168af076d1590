"""What autoencoders have in common: a way to the latent features, and one back."""

from __future__ import annotations

import torch
from torch import nn


class EncoderDecoder(nn.Module):
    """Inputs [N, *shape] → latent features [N, latent] → reconstruction [N, inputs], in the order of the inputs."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """The latent features, [N, latent]."""
        latent: torch.Tensor = self.encoder(inputs)
        return latent

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The reconstruction, [N, inputs], row by row of each channel of an image."""
        outputs: torch.Tensor = self.decoder(self.encode(inputs))
        return outputs
