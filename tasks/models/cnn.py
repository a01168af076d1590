"""Small convolutional network for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from .shapes import image_shape


class Cnn(nn.Module):
    """Convolution stages, each halving the image, then two linear layers; [N, C, H, W] → [N, output_size].

    A stage is two 3 × 3 convolutions with batch normalisation and ReLU, and a 2 × 2 maximum while the image is at
    least 4 pixels on its shorter side. Where that maximum is taken early, most of a stage works on a quarter of the
    pixels, which pays for twice the feature maps.

    Args:
        input_shape: (channels, height, width).
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        channels: Feature maps of each stage.
        hidden: Width of the linear layer before the output.
        dropout: Share of units dropped before each of the two linear layers, in [0, 1).
        pooling: Whether the maximum is taken after the second convolution of a stage or after the first.

    Raises:
        ValueError: the inputs are not images.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        channels: Sequence[int] = (32, 64),
        hidden: int = 128,
        dropout: float = 0.25,
        pooling: Literal["late", "early"] = "late",
    ) -> None:
        super().__init__()
        maps, height, width = image_shape("cnn", input_shape)
        stages: list[nn.Module] = []
        for wanted in channels:
            first, second = _convolution(maps, wanted), _convolution(wanted, wanted)
            if min(height, width) >= 4:
                height, width = height // 2, width // 2
                if pooling == "early":
                    first.insert(1, nn.MaxPool2d(2))
                else:
                    # Before the ReLU, with which a maximum commutes: a quarter of its work, the same bits.
                    second.insert(2, nn.MaxPool2d(2))
            stages += [*first, *second]
            maps = wanted
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(maps * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, output_size),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        outputs: torch.Tensor = self.head(self.stages(inputs))
        return outputs


def _convolution(maps_in: int, maps_out: int) -> list[nn.Module]:
    # No bias: the normalisation's own shift replaces it.
    return [nn.Conv2d(maps_in, maps_out, 3, padding=1, bias=False), nn.BatchNorm2d(maps_out), nn.ReLU()]
