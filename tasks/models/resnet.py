"""Residual convolutional network for images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .shapes import image_shape


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut; [N, C, H, W] → [N, maps_out, ⌈H / stride⌉, ⌈W / stride⌉].

    The shortcut is the input itself, or a 1 × 1 convolution where the shape changes (He, Zhang, Ren and Sun,
    "Deep Residual Learning for Image Recognition", 2016, section 3.3, option B).

    Args:
        maps_in: C.
        maps_out: Feature maps that come out.
        stride: 1 keeps the image's size, 2 halves it.
    """

    def __init__(self, maps_in: int, maps_out: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *_convolution(maps_in, maps_out, 3, stride), nn.ReLU(), *_convolution(maps_out, maps_out, 3, 1)
        )
        same = maps_in == maps_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_convolution(maps_in, maps_out, 1, stride))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """ReLU of path and shortcut together."""
        return torch.relu(self.path(inputs) + self.shortcut(inputs))


class Resnet(nn.Module):
    """A 3 × 3 stem, stages of basic blocks, the mean over each feature map, a linear layer.

    float32 [N, C, H, W] → [N, output_size]. It is the paper's network for small images (section 4.2): every
    stage after the first begins with stride 2, and images of any size down to one pixel go through.

    Args:
        input_shape: (C, H, W).
        output_size: Number of classes, or 1 for regression; outputs are logits or a standardised value.
        channels: Feature maps of each stage.
        blocks: Basic blocks of each stage.
        dropout: Share of the pooled maps dropped in training, in [0, 1).

    Raises:
        ValueError: the inputs are not images.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        channels: Sequence[int] = (16, 32, 64),
        blocks: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        maps, _, _ = image_shape("resnet", input_shape)
        stages: list[nn.Module] = [*_convolution(maps, channels[0], 3, 1), nn.ReLU()]
        maps = channels[0]
        for stage, wanted in enumerate(channels):
            for block in range(blocks):
                stages.append(BasicBlock(maps, wanted, stride=2 if stage and not block else 1))
                maps = wanted
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(maps, output_size)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Keeps the size of signals through ReLUs (He et al., "Delving Deep into Rectifiers", 2015).
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits or standardised values, [N, output_size]."""
        outputs: torch.Tensor = self.head(self.stages(inputs))
        return outputs


def _convolution(maps_in: int, maps_out: int, size: int, stride: int) -> list[nn.Module]:
    # No bias: the normalisation's own shift replaces it.
    convolution = nn.Conv2d(maps_in, maps_out, size, stride=stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(maps_out)]
