"""Images changed at random while a network is trained; what is drawn depends on seed and step alone.

This half stays at home: a packaged model sees images as they are. Shapes: N images of one batch, C channels,
H × W pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from tasks.core.seeds import derive

if TYPE_CHECKING:
    from tasks.core.preprocessing import Augment


def augmented(inputs: torch.Tensor, settings: Augment, seed: int, step: int, part: int) -> torch.Tensor:
    """A batch of images, each mirrored, moved, turned, enlarged and made noisy by an amount of its own.

    The draws are uniform, made on the CPU and sent in one piece, so that they are equal on every device and
    nothing waits. Noise is drawn where the images are, and so is equal on devices of one kind. No global
    generator is touched: dropout draws what it would have drawn.

    Args:
        inputs: float32 [N, C, H, W], scaled, on any device; not written to.
        settings: The recipe's `transforms.augment`.
        seed: Of the training.
        step: Steps of the training done before this one.
        part: Batches of this step done before this one.

    Returns:
        float32 [N, C, H, W] on the same device, channels last. What comes in from outside an image repeats the
        pixel at its edge, which is right whatever number stands for black.
    """
    generator = torch.Generator().manual_seed(derive(seed, "augment", step, part))
    uniform = torch.rand(5, len(inputs), generator=generator).to(inputs.device, non_blocking=True)
    down, right = (_whole(part, settings.shift) for part in uniform[1:3])
    outputs = moved(inputs, uniform[0] < settings.flip, down, right)
    if settings.rotate or settings.scale:
        degrees = (2 * uniform[3] - 1) * settings.rotate
        outputs = turned(outputs, degrees, 1 + (2 * uniform[4] - 1) * settings.scale)
    if settings.noise:
        own = torch.Generator(inputs.device).manual_seed(derive(seed, "noise", step, part))
        outputs = outputs + settings.noise * torch.randn(outputs.shape, generator=own, device=inputs.device)
    return outputs.contiguous(memory_format=torch.channels_last)


def moved(inputs: torch.Tensor, mirrored: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Images mirrored left to right where asked for, then moved by whole pixels; no value changes.

    Args:
        inputs: [N, C, H, W].
        mirrored: bool [N].
        down: int64 [N], pixels; negative is up.
        right: int64 [N], pixels; negative is left.
    """
    number, channels, height, width = inputs.shape
    device = inputs.device
    rows = (torch.arange(height, device=device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) - right[:, None]).clamp(0, width - 1)
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    image = torch.arange(number, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return inputs[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def turned(inputs: torch.Tensor, degrees: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Images turned about their centre, counter-clockwise, and enlarged; values between pixels are bilinear.

    Args:
        inputs: float32 [N, C, H, W].
        degrees: float32 [N].
        factor: float32 [N], above 0; 2 shows everything twice as large.
    """
    height, width = inputs.shape[2:]
    cosine, sine = (turn(degrees * (math.pi / 180)) / factor for turn in (torch.cos, torch.sin))
    # Where an output pixel comes from, in torch's coordinates, which run from -1 to 1 along either side.
    zero = torch.zeros_like(cosine)
    first = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    second = torch.stack([sine * (width / height), cosine, zero], dim=1)
    places = nn.functional.affine_grid(torch.stack([first, second], dim=1), list(inputs.shape), align_corners=False)
    return nn.functional.grid_sample(inputs, places, padding_mode="border", align_corners=False)


def _whole(uniform: torch.Tensor, most: int) -> torch.Tensor:
    """From [0, 1) to whole numbers from −most to most, all equally likely."""
    # Just below 1 the product may be rounded up to one too many.
    return (uniform * (2 * most + 1)).long().clamp(max=2 * most) - most
